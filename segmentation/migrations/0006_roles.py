from django.conf import settings
from django.db import migrations, models


def reps_join_their_teams(apps, _schema_editor):
    for quota in apps.get_model("segmentation", "SalesQuota").objects.filter(rep__isnull=False).select_related("team"):
        quota.team.members.add(quota.rep_id)


class Migration(migrations.Migration):

    dependencies = [
        ('segmentation', '0005_icp'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name='icpversion',
            options={'ordering': ['profile', '-number'], 'permissions': [('publish_icpversion', 'Can publish versions of profiles')], 'verbose_name': 'version of a profile', 'verbose_name_plural': 'versions of profiles'},
        ),
        migrations.AlterModelOptions(
            name='listmembership',
            options={'ordering': ['-start_at', '-id'], 'permissions': [('propose_listmembership', 'Can propose accounts of own sales teams and withdraw proposals')], 'verbose_name': 'list membership', 'verbose_name_plural': 'list memberships'},
        ),
        migrations.AlterModelOptions(
            name='salesteam',
            options={'ordering': ['name'], 'permissions': [('own_teams_only', 'Sees only accounts of own sales teams'), ('see_every_team', 'Sees accounts of every sales team, whatever else limits it')], 'verbose_name': 'sales team', 'verbose_name_plural': 'sales teams'},
        ),
        migrations.AddField(
            model_name='salesteam',
            name='members',
            field=models.ManyToManyField(blank=True, help_text='Sales reps see the accounts of the teams they are members of, and no others.', related_name='sales_teams', to=settings.AUTH_USER_MODEL, verbose_name='members'),
        ),
        migrations.RunPython(reps_join_their_teams, migrations.RunPython.noop, elidable=True),
    ]
