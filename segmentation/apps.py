from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class SegmentationConfig(AppConfig):
    name = "segmentation"
    verbose_name = _("Accounts and segments")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from django.db.models.signals import post_migrate
        from django.utils.translation import gettext, ngettext

        from segmentation.engine import kinds, text
        from segmentation.facts.accounts import field_labels, field_types, flag_names
        from segmentation.facts.segments import profile_names, segment_names
        from segmentation.facts.target_lists import list_names
        from segmentation.services.duplicates import DUPLICATES_JOB
        from segmentation.services.jobs import register_job
        from segmentation.services.merging.declared import declare
        from segmentation.services.merging.relations import check_relations
        from segmentation.services.roles import sync_after_migrate
        from segmentation.services.uploads import IMPORT_JOB

        text.use_translator(gettext, ngettext)
        kinds.field.use_fields(field_labels, field_types)
        kinds.flag.use_flags(flag_names)
        kinds.target_list.use_target_lists(list_names)
        kinds.segment.use_segments(segment_names)
        kinds.icp_fit.use_profiles(profile_names)
        register_job(IMPORT_JOB, "segmentation.services.uploads.run_import_job")
        register_job(DUPLICATES_JOB, "segmentation.services.duplicates.run_duplicates_job")
        # After Django has created the rights of the app.
        post_migrate.connect(sync_after_migrate, sender=self)
        declare()
        checks.register(check_relations)
