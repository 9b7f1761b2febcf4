import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import django.utils.timezone
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('segmentation', '0006_roles'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='ListReview',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reviewed_at', models.DateTimeField(verbose_name='reviewed')),
                ('note', models.CharField(blank=True, help_text='What was found, what was changed.', max_length=300, verbose_name='note')),
            ],
            options={
                'verbose_name': 'review of a list',
                'verbose_name_plural': 'reviews of lists',
                'ordering': ['-reviewed_at', '-id'],
            },
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='targetlist',
            name='insert_insert',
        ),
        pgtrigger.migrations.RemoveTrigger(
            model_name='targetlist',
            name='update_update',
        ),
        migrations.AddField(
            model_name='targetlist',
            name='accounts_per_rep',
            field=models.PositiveIntegerField(default=15, help_text='Says how many accounts the sales reps can work, which the size of the list is held against.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(10000)], verbose_name='accounts a rep can work at a time'),
        ),
        migrations.AddField(
            model_name='targetlist',
            name='created_at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False, verbose_name='created'),
        ),
        migrations.AddField(
            model_name='targetlist',
            name='review_every_days',
            field=models.PositiveIntegerField(blank=True, default=90, help_text='So long after its last review the start page says that the list is due. Empty: never.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)], verbose_name='review every (days)'),
        ),
        migrations.AddField(
            model_name='targetlist',
            name='stale_after_days',
            field=models.PositiveIntegerField(default=90, help_text='An active account is stale when it had no activity of either side for so long and no fact moved it to another stage. Stale accounts are shown in the upkeep of the list.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)], verbose_name='stale after (days)'),
        ),
        migrations.AddField(
            model_name='targetlistevent',
            name='accounts_per_rep',
            field=models.PositiveIntegerField(default=15, help_text='Says how many accounts the sales reps can work, which the size of the list is held against.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(10000)], verbose_name='accounts a rep can work at a time'),
        ),
        migrations.AddField(
            model_name='targetlistevent',
            name='created_at',
            field=models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), default=django.utils.timezone.now, editable=False, verbose_name='created'),
        ),
        migrations.AddField(
            model_name='targetlistevent',
            name='review_every_days',
            field=models.PositiveIntegerField(blank=True, default=90, help_text='So long after its last review the start page says that the list is due. Empty: never.', null=True, validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)], verbose_name='review every (days)'),
        ),
        migrations.AddField(
            model_name='targetlistevent',
            name='stale_after_days',
            field=models.PositiveIntegerField(default=90, help_text='An active account is stale when it had no activity of either side for so long and no fact moved it to another stage. Stale accounts are shown in the upkeep of the list.', validators=[django.core.validators.MinValueValidator(1), django.core.validators.MaxValueValidator(3650)], verbose_name='stale after (days)'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='targetlist',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "segmentation_targetlistevent" ("accounts_per_rep", "active", "created_at", "description", "id", "key", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "review_every_days", "stale_after_days", "tier") VALUES (NEW."accounts_per_rep", NEW."active", NEW."created_at", NEW."description", NEW."id", NEW."key", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."review_every_days", NEW."stale_after_days", NEW."tier"); RETURN NULL;', hash='a6cc58f2cd0388a464348167b1e1ee750b44e0a9', operation='INSERT', pgid='pgtrigger_insert_insert_d56f2', table='segmentation_targetlist', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='targetlist',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "segmentation_targetlistevent" ("accounts_per_rep", "active", "created_at", "description", "id", "key", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "review_every_days", "stale_after_days", "tier") VALUES (NEW."accounts_per_rep", NEW."active", NEW."created_at", NEW."description", NEW."id", NEW."key", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."review_every_days", NEW."stale_after_days", NEW."tier"); RETURN NULL;', hash='f06354733bd64520238584a423fdddcdfd581e32', operation='UPDATE', pgid='pgtrigger_update_update_9c1d3', table='segmentation_targetlist', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='targetlist',
            constraint=models.CheckConstraint(condition=models.Q(('review_every_days__isnull', True), ('review_every_days__range', (1, 3650)), _connector='OR'), name='targetlist_review_cadence_in_days'),
        ),
        migrations.AddConstraint(
            model_name='targetlist',
            constraint=models.CheckConstraint(condition=models.Q(('stale_after_days__range', (1, 3650))), name='targetlist_stale_in_days'),
        ),
        migrations.AddConstraint(
            model_name='targetlist',
            constraint=models.CheckConstraint(condition=models.Q(('accounts_per_rep__range', (1, 10000))), name='targetlist_accounts_per_rep_positive'),
        ),
        migrations.AddField(
            model_name='listreview',
            name='reviewed_by',
            field=models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='reviewed by'),
        ),
        migrations.AddField(
            model_name='listreview',
            name='target_list',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='reviews', to='segmentation.targetlist', verbose_name='target account list'),
        ),
        migrations.AddIndex(
            model_name='listreview',
            index=models.Index(fields=['target_list', '-reviewed_at'], name='listreview_last'),
        ),
    ]
