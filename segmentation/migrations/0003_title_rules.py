"""Add the rules by which a new installation reads seniority and department from job titles, English and Chinese."""

from django.db import migrations

from segmentation.engine.titles import DEFAULT_RULES


def add_rules(apps, schema_editor):
    title_rule = apps.get_model("segmentation", "TitleRule")
    known = set(title_rule.objects.values_list("sets", "match", "pattern"))
    title_rule.objects.bulk_create(
        title_rule(sets=rule.sets, match=rule.match, pattern=rule.pattern, value=rule.value, order=place * 10)
        for place, rule in enumerate(DEFAULT_RULES, start=1)
        if (rule.sets, rule.match, rule.pattern) not in known
    )


def remove_rules(apps, schema_editor):
    ready_made = {(rule.sets, rule.match, rule.pattern): rule.value for rule in DEFAULT_RULES}
    title_rule = apps.get_model("segmentation", "TitleRule")
    unchanged = [
        rule.pk
        for rule in title_rule.objects.all()
        if ready_made.get((rule.sets, rule.match, rule.pattern)) == rule.value
    ]
    title_rule.objects.filter(pk__in=unchanged).delete()


class Migration(migrations.Migration):
    dependencies = [("segmentation", "0002_flag_types")]

    operations = [migrations.RunPython(add_rules, remove_rules)]
