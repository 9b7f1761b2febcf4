from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class JourneyConfig(AppConfig):
    name = "journey"
    verbose_name = _("Account journey")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from django.db.models.signals import post_migrate

        import journey.engine.kinds
        import journey.selectors.access
        import journey.services.roles  # noqa: F401 - these register what they hold
        from journey.engine.lists import use_lists
        from journey.models import CrmStage, Journey, Stage
        from journey.selectors.dependencies import journey_rules, market_rules, suggestion_rules
        from journey.services import merging
        from segmentation.selectors.dependencies import register_rules
        from segmentation.services.jobs import register_job
        from segmentation.services.roles import sync_after_migrate

        merging.declare()
        register_job("replay", "journey.tasks.replay_job")
        register_job("assess", "journey.tasks.assess_job")
        register_job("segments", "journey.tasks.segments_job")
        register_job("suggest", "journey.tasks.suggest_job")
        register_rules(journey_rules)
        register_rules(market_rules)
        register_rules(suggestion_rules)
        use_lists(
            crm_stages=lambda: {name: name for name in CrmStage.objects.values_list("name", flat=True)},
            journeys=lambda: dict(Journey.objects.values_list("key", "name")),
            journey_stages=lambda: {
                f"{journey}/{stage}": name
                for journey, stage, name in Stage.objects.filter(version__state="published")
                .order_by("version__number")
                .values_list("version__journey__key", "key", "name")
            },
        )
        # After Django has created the rights of the app.
        post_migrate.connect(sync_after_migrate, sender=self)
