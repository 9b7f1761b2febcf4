from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ScoringConfig(AppConfig):
    name = "scoring"
    verbose_name = _("Engagement")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self):
        import scoring.engine.kinds  # noqa: F401 - registers the kinds
        from scoring.engine.restrictions import use_lists
        from scoring.facts.activities import SENIORITIES, outcomes
        from scoring.models import ActivityType, Side
        from segmentation.models import BuyingRole, Department

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
        )
