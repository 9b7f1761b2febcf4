"""Add target account lists with their memberships, the reasons of decisions, and quotas of sales teams."""

import django.contrib.postgres.constraints
import django.core.validators
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models
from django.utils.translation import gettext_noop

REASONS = (
    ("fits_profile", "add", gettext_noop("Fits the profile")),
    ("shows_interest", "add", gettext_noop("Shows interest")),
    ("known_contact", "add", gettext_noop("We know somebody there")),
    ("outside_profile", "refuse", gettext_noop("Outside the profile")),
    ("worked_elsewhere", "refuse", gettext_noop("Worked by another team")),
    ("no_need", "disqualify", gettext_noop("No need")),
    ("no_budget", "disqualify", gettext_noop("No budget")),
    ("out_of_business", "disqualify", gettext_noop("Out of business")),
    ("competitor", "disqualify", gettext_noop("Is a competitor")),
    ("no_progress", "remove", gettext_noop("No progress")),
    ("is_customer", "remove", gettext_noop("Became a customer")),
    ("bad_moment", "recycle", gettext_noop("Not the right moment")),
)


def add_reasons(apps, schema_editor):
    reason = apps.get_model("segmentation", "MembershipReason")
    reason.objects.bulk_create(reason(key=key, use=use, name=name) for key, use, name in REASONS)


class Migration(migrations.Migration):

    dependencies = [
        ('pghistory', '0007_auto_20250421_0444'),
        ('segmentation', '0003_title_rules'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='MembershipReason',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(max_length=60, unique=True, verbose_name='key')),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('use', models.CharField(blank=True, choices=[('add', 'Add or propose'), ('refuse', 'Refuse a proposal'), ('disqualify', 'Disqualify'), ('remove', 'Remove'), ('recycle', 'Pause')], help_text='Empty: it fits every decision.', max_length=10, verbose_name='used to')),
                ('active', models.BooleanField(default=True, help_text='Inactive reasons are not offered any more.', verbose_name='active')),
            ],
            options={
                'verbose_name': 'reason for list decisions',
                'verbose_name_plural': 'reasons for list decisions',
                'ordering': ['use', 'name'],
            },
        ),
        migrations.CreateModel(
            name='TargetListEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('key', models.SlugField(db_index=False, max_length=60, verbose_name='key')),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('description', models.CharField(blank=True, max_length=300, verbose_name='description')),
                ('tier', models.PositiveSmallIntegerField(blank=True, choices=[(1, '1: one-to-one'), (2, '2: one-to-few'), (3, '3: one-to-many')], help_text='How closely the accounts of the list are worked. A membership may have a tier of its own.', null=True, verbose_name='tier in focus')),
                ('active', models.BooleanField(default=True, help_text='An inactive list takes no more accounts; its history stays readable.', verbose_name='active')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='SalesQuota',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('kind', models.CharField(choices=[('key_accounts', 'Key accounts'), ('mid_market', 'Mid market')], default='mid_market', help_text='Says how many places are usual: 15 for key accounts, 30 for mid market.', max_length=12, verbose_name='kind of team')),
                ('places', models.PositiveIntegerField(blank=True, help_text='Empty: 15 for key accounts, 30 for mid market.', validators=[django.core.validators.MinValueValidator(1)], verbose_name='places')),
                ('rep', models.ForeignKey(blank=True, help_text="Empty: the quota of the whole team. With a rep: a limit for this person within the team's quota.", null=True, on_delete=django.db.models.deletion.CASCADE, related_name='sales_quotas', to=settings.AUTH_USER_MODEL, verbose_name='sales rep')),
                ('team', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='quotas', to='segmentation.salesteam', verbose_name='sales team')),
            ],
            options={
                'verbose_name': 'sales quota',
                'verbose_name_plural': 'sales quotas',
                'ordering': ['team__name', 'rep__username'],
            },
        ),
        migrations.CreateModel(
            name='SalesQuotaEvent',
            fields=[
                ('pgh_id', models.AutoField(primary_key=True, serialize=False)),
                ('pgh_created_at', models.DateTimeField(auto_now_add=True)),
                ('pgh_label', models.TextField(help_text='The event label.')),
                ('id', models.BigIntegerField()),
                ('kind', models.CharField(choices=[('key_accounts', 'Key accounts'), ('mid_market', 'Mid market')], default='mid_market', help_text='Says how many places are usual: 15 for key accounts, 30 for mid market.', max_length=12, verbose_name='kind of team')),
                ('places', models.PositiveIntegerField(blank=True, help_text='Empty: 15 for key accounts, 30 for mid market.', validators=[django.core.validators.MinValueValidator(1)], verbose_name='places')),
                ('pgh_context', models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context')),
                ('pgh_obj', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='segmentation.salesquota')),
                ('rep', models.ForeignKey(blank=True, db_constraint=False, help_text="Empty: the quota of the whole team. With a rep: a limit for this person within the team's quota.", null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to=settings.AUTH_USER_MODEL, verbose_name='sales rep')),
                ('team', models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', related_query_name='+', to='segmentation.salesteam', verbose_name='sales team')),
            ],
            options={
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='TargetList',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.SlugField(max_length=60, unique=True, verbose_name='key')),
                ('name', models.CharField(max_length=120, verbose_name='name')),
                ('description', models.CharField(blank=True, max_length=300, verbose_name='description')),
                ('tier', models.PositiveSmallIntegerField(blank=True, choices=[(1, '1: one-to-one'), (2, '2: one-to-few'), (3, '3: one-to-many')], help_text='How closely the accounts of the list are worked. A membership may have a tier of its own.', null=True, verbose_name='tier in focus')),
                ('active', models.BooleanField(default=True, help_text='An inactive list takes no more accounts; its history stays readable.', verbose_name='active')),
            ],
            options={
                'verbose_name': 'target account list',
                'verbose_name_plural': 'target account lists',
                'ordering': ['name'],
                'constraints': [models.CheckConstraint(condition=models.Q(('tier__isnull', True), ('tier__range', (1, 3)), _connector='OR'), name='targetlist_tier_1_to_3')],
            },
        ),
        migrations.CreateModel(
            name='ListMembership',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('state', models.CharField(choices=[('proposed', 'Proposed'), ('active', 'Active'), ('recycling', 'Recycling'), ('rejected', 'Rejected'), ('disqualified', 'Disqualified'), ('removed', 'Removed')], max_length=12, verbose_name='state')),
                ('tier', models.PositiveSmallIntegerField(blank=True, choices=[(1, '1: one-to-one'), (2, '2: one-to-few'), (3, '3: one-to-many')], help_text='Empty: the tier of the list.', null=True, verbose_name='tier on the list')),
                ('start_at', models.DateTimeField(verbose_name='from')),
                ('end_at', models.DateTimeField(blank=True, help_text='Empty: still in force.', null=True, verbose_name='until')),
                ('note', models.CharField(blank=True, help_text="Why, in a person's own words.", max_length=300, verbose_name='note')),
                ('recorded_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='recorded')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='list_memberships', to='segmentation.account', verbose_name='account')),
                ('decided_by', models.ForeignKey(blank=True, editable=False, help_text='Who accepted or refused the proposal.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='decided by')),
                ('ended_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='ended by')),
                ('rep', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='added by the rep')),
                ('set_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='set by')),
                ('team', models.ForeignKey(blank=True, help_text='The sales team whose place the account takes. Empty: marketing added it, no place is taken.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='list_memberships', to='segmentation.salesteam', verbose_name='added by the team')),
                ('reason', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to='segmentation.membershipreason', verbose_name='reason')),
                ('target_list', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='memberships', to='segmentation.targetlist', verbose_name='target account list')),
            ],
            options={
                'verbose_name': 'list membership',
                'verbose_name_plural': 'list memberships',
                'ordering': ['-start_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='DisqualificationRequest',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('note', models.CharField(blank=True, max_length=300, verbose_name='note')),
                ('asked_at', models.DateTimeField(verbose_name='asked')),
                ('decision', models.CharField(choices=[('open', 'Waiting for review'), ('accepted', 'Accepted'), ('refused', 'Refused')], default='open', max_length=8, verbose_name='decision')),
                ('decided_at', models.DateTimeField(blank=True, null=True, verbose_name='decided')),
                ('decision_note', models.CharField(blank=True, max_length=300, verbose_name='note of the decision')),
                ('account', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='disqualification_requests', to='segmentation.account', verbose_name='account')),
                ('asked_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='asked by')),
                ('decided_by', models.ForeignKey(blank=True, editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='decided by')),
                ('team', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='disqualification_requests', to='segmentation.salesteam', verbose_name='asked by the team')),
                ('reason', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='segmentation.membershipreason', verbose_name='reason')),
                ('target_list', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='disqualification_requests', to='segmentation.targetlist', verbose_name='target account list')),
            ],
            options={
                'verbose_name': 'request to disqualify',
                'verbose_name_plural': 'requests to disqualify',
                'ordering': ['-asked_at', '-id'],
            },
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='targetlist',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "segmentation_targetlistevent" ("active", "description", "id", "key", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "tier") VALUES (NEW."active", NEW."description", NEW."id", NEW."key", NEW."name", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."tier"); RETURN NULL;', hash='849e69cc6ca695a804a7b60ca213e132d97a71fc', operation='INSERT', pgid='pgtrigger_insert_insert_d56f2', table='segmentation_targetlist', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='targetlist',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "segmentation_targetlistevent" ("active", "description", "id", "key", "name", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "tier") VALUES (NEW."active", NEW."description", NEW."id", NEW."key", NEW."name", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."tier"); RETURN NULL;', hash='d505e383d4b91641f35dcf1810213760fb239532', operation='UPDATE', pgid='pgtrigger_update_update_9c1d3', table='segmentation_targetlist', when='AFTER')),
        ),
        migrations.AddField(
            model_name='targetlistevent',
            name='pgh_context',
            field=models.ForeignKey(db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='pghistory.context'),
        ),
        migrations.AddField(
            model_name='targetlistevent',
            name='pgh_obj',
            field=models.ForeignKey(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='events', to='segmentation.targetlist'),
        ),
        migrations.AddConstraint(
            model_name='salesquota',
            constraint=models.UniqueConstraint(condition=models.Q(('rep__isnull', True)), fields=('team',), name='salesquota_team_once', violation_error_message='This team has a quota already.'),
        ),
        migrations.AddConstraint(
            model_name='salesquota',
            constraint=models.UniqueConstraint(fields=('team', 'rep'), name='salesquota_rep_once', violation_error_message='This rep has a quota in this team already.'),
        ),
        migrations.AddConstraint(
            model_name='salesquota',
            constraint=models.CheckConstraint(condition=models.Q(('places__gte', 1)), name='salesquota_at_least_one_place'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='salesquota',
            trigger=pgtrigger.compiler.Trigger(name='insert_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO "segmentation_salesquotaevent" ("id", "kind", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "places", "rep_id", "team_id") VALUES (NEW."id", NEW."kind", _pgh_attach_context(), NOW(), \'insert\', NEW."id", NEW."places", NEW."rep_id", NEW."team_id"); RETURN NULL;', hash='badf7471224cd2d5c89d08fdee6d560c0c20d5b5', operation='INSERT', pgid='pgtrigger_insert_insert_230c8', table='segmentation_salesquota', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='salesquota',
            trigger=pgtrigger.compiler.Trigger(name='update_update', sql=pgtrigger.compiler.UpsertTriggerSql(condition='WHEN (OLD.* IS DISTINCT FROM NEW.*)', func='INSERT INTO "segmentation_salesquotaevent" ("id", "kind", "pgh_context_id", "pgh_created_at", "pgh_label", "pgh_obj_id", "places", "rep_id", "team_id") VALUES (NEW."id", NEW."kind", _pgh_attach_context(), NOW(), \'update\', NEW."id", NEW."places", NEW."rep_id", NEW."team_id"); RETURN NULL;', hash='1272e0d52d28932e6466c5d70119c7b2dc8f8e20', operation='UPDATE', pgid='pgtrigger_update_update_270a7', table='segmentation_salesquota', when='AFTER')),
        ),
        migrations.AddIndex(
            model_name='listmembership',
            index=models.Index(condition=models.Q(('end_at__isnull', True)), fields=['team', 'account'], name='listmembership_places'),
        ),
        migrations.AddIndex(
            model_name='listmembership',
            index=models.Index(condition=models.Q(('end_at__isnull', True)), fields=['target_list', 'state'], name='listmembership_now'),
        ),
        migrations.AddIndex(
            model_name='listmembership',
            index=models.Index(fields=['-start_at', '-id'], name='listmembership_list_order'),
        ),
        migrations.AddConstraint(
            model_name='listmembership',
            constraint=models.CheckConstraint(condition=models.Q(('end_at__isnull', True), ('end_at__gt', models.F('start_at')), _connector='OR'), name='listmembership_ends_after_start'),
        ),
        migrations.AddConstraint(
            model_name='listmembership',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['proposed', 'active', 'recycling', 'rejected', 'disqualified', 'removed'])), name='listmembership_known_state'),
        ),
        migrations.AddConstraint(
            model_name='listmembership',
            constraint=models.CheckConstraint(condition=models.Q(('tier__isnull', True), ('tier__range', (1, 3)), _connector='OR'), name='listmembership_tier_1_to_3'),
        ),
        migrations.AddConstraint(
            model_name='listmembership',
            constraint=django.contrib.postgres.constraints.ExclusionConstraint(expressions=[(models.Func(models.F('target_list_id'), models.F('target_list_id'), models.Value('[]'), function='int8range'), '&&'), (models.Func(models.F('account_id'), models.F('account_id'), models.Value('[]'), function='int8range'), '&&'), (models.Func(models.F('start_at'), models.F('end_at'), function='tstzrange'), '&&')], name='listmembership_once_at_a_time'),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='listmembership',
            trigger=pgtrigger.compiler.Trigger(name='listmembership_touch_insert', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO segmentation_facttouch (account_id, contact_id, opportunity_id) SELECT DISTINCT r.account_id::bigint, NULL::bigint, NULL::bigint FROM new_rows r ; RETURN NULL;', hash='dfe8d1b69e52677af86d5081b337c2d130c31658', level='STATEMENT', operation='INSERT', pgid='pgtrigger_listmembership_touch_insert_de659', referencing='REFERENCING NEW TABLE AS new_rows ', table='segmentation_listmembership', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='listmembership',
            trigger=pgtrigger.compiler.Trigger(name='listmembership_touch_update', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO segmentation_facttouch (account_id, contact_id, opportunity_id) SELECT r.account_id::bigint, NULL::bigint, NULL::bigint FROM new_rows r  UNION SELECT r.account_id::bigint, NULL::bigint, NULL::bigint FROM old_rows r ; RETURN NULL;', hash='7c9efa63bfdef61dd279fc46b5538054d62fc7d3', level='STATEMENT', operation='UPDATE', pgid='pgtrigger_listmembership_touch_update_b2af5', referencing='REFERENCING OLD TABLE AS old_rows  NEW TABLE AS new_rows ', table='segmentation_listmembership', when='AFTER')),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name='listmembership',
            trigger=pgtrigger.compiler.Trigger(name='listmembership_touch_delete', sql=pgtrigger.compiler.UpsertTriggerSql(func='INSERT INTO segmentation_facttouch (account_id, contact_id, opportunity_id) SELECT DISTINCT r.account_id::bigint, NULL::bigint, NULL::bigint FROM old_rows r ; RETURN NULL;', hash='14e8951f41a5fc6ac1b7507bcce058ab7fb2bd89', level='STATEMENT', operation='DELETE', pgid='pgtrigger_listmembership_touch_delete_960ec', referencing='REFERENCING OLD TABLE AS old_rows ', table='segmentation_listmembership', when='AFTER')),
        ),
        migrations.AddConstraint(
            model_name='disqualificationrequest',
            constraint=models.UniqueConstraint(condition=models.Q(('decision', 'open')), fields=('target_list', 'account'), name='disqualification_asked_once'),
        ),
        migrations.AddConstraint(
            model_name='disqualificationrequest',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('decided_at__isnull', True), ('decision', 'open')), models.Q(('decided_at__isnull', False), ('decision__in', ['accepted', 'refused'])), _connector='OR'), name='disqualification_decided_with_time'),
        ),
        migrations.RunPython(add_reasons, migrations.RunPython.noop),
    ]
