from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('segmentation', '0015_import_intent_signals'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='disqualificationrequest',
            name='disqualification_decided_with_time',
        ),
        migrations.AlterField(
            model_name='disqualificationrequest',
            name='decision',
            field=models.CharField(choices=[('open', 'Waiting for review'), ('accepted', 'Accepted'), ('refused', 'Refused'), ('withdrawn', 'Withdrawn')], default='open', max_length=9, verbose_name='decision'),
        ),
        migrations.AddConstraint(
            model_name='disqualificationrequest',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decision', 'open')), models.Q(('decided_at__isnull', False), ('decision__in', ['accepted', 'refused', 'withdrawn'])), _connector='OR'), name='disqualification_decided_with_time'),
        ),
        # The way back: what was withdrawn reads as refused, which the constraint before knows.
        migrations.RunSQL(
            migrations.RunSQL.noop,
            "UPDATE segmentation_disqualificationrequest SET decision = 'refused' WHERE decision = 'withdrawn'",
        ),
    ]
