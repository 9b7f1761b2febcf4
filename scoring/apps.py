from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ScoringConfig(AppConfig):
    name = "scoring"
    verbose_name = _("Engagement")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        from django.db.models.signals import post_migrate

        import scoring.engine.kinds
        import scoring.selectors.access
        import scoring.services.roles  # noqa: F401 - these register what they hold
        from scoring.engine.restrictions import use_lists
        from scoring.facts.activities import SENIORITIES, outcomes
        from scoring.facts.intent import keyword_names, topic_names
        from scoring.models import ActivityType, IntentTopic, Side
        from segmentation.models import BuyingRole, Department
        from segmentation.services.roles import sync_after_migrate

        use_lists(
            sides=lambda: {value: str(label) for value, label in Side.choices},
            types=lambda: dict(ActivityType.objects.values_list("key", "name")),
            categories=lambda: {
                category: category
                for category in ActivityType.objects.exclude(category="").values_list("category", flat=True).distinct()
            },
            seniorities=lambda: {str(level.value): str(level.label) for level in SENIORITIES},
            departments=lambda: {value: str(label) for value, label in Department.choices},
            buying_roles=lambda: {value: str(label) for value, label in BuyingRole.choices},
            outcomes=outcomes,
            topics=topic_names,
            topic_kinds=lambda: {value: str(label) for value, label in IntentTopic.Kind.choices},
            keywords=keyword_names,
        )
        # After Django has created the rights of the app.
        post_migrate.connect(sync_after_migrate, sender=self)
