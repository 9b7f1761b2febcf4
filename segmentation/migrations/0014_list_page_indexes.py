from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('segmentation', '0013_segments'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='listmembership',
            name='listmembership_places',
        ),
        migrations.AddIndex(
            model_name='icpassessment',
            index=models.Index(fields=['-made_at', '-id'], name='icpassessment_newest'),
        ),
        migrations.AddIndex(
            model_name='listmembership',
            index=models.Index(condition=models.Q(('end_at__isnull', True), ('state__in', ('proposed', 'active', 'recycling'))), fields=['team', 'account'], name='listmembership_places'),
        ),
    ]
