"""Companies, the people in them and the sales teams that serve them."""

import pghistory
from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower, Now
from django.utils.translation import gettext_lazy as _

from segmentation.models.changes import no_circle_trigger, touch_triggers
from segmentation.models.choices import BuyingRole, Consent, Department, Relationship, Seniority, Tier


class SourcedModel(models.Model):
    """A record that came from another system: whose it is there, when it was made there, when we learnt of it."""

    source_system = models.SlugField(
        _("source system"), max_length=40, default="crm", help_text=_("The system the external id belongs to.")
    )
    external_id = models.CharField(  # noqa: DJ001 - none is null: an empty text would be unique
        _("external id"),
        max_length=200,
        null=True,
        blank=True,
        help_text=_("The id of this record in the source system. Imports and the API recognise the record by it."),
    )
    created_in_source_at = models.DateTimeField(
        _("created in the source"),
        null=True,
        blank=True,
        help_text=_(
            "When the source system made the record. The history begins here or at the first fact, if that is earlier."
        ),
    )
    recorded_at = models.DateTimeField(_("recorded"), db_default=Now(), editable=False)
    updated_at = models.DateTimeField(_("updated"), db_default=Now(), editable=False)

    class Meta:
        abstract = True


class SalesTeam(models.Model):
    """A sales team; accounts and opportunities belong to one."""

    key = models.SlugField(_("key"), max_length=60, unique=True)
    name = models.CharField(_("name"), max_length=120)
    region = models.CharField(_("region"), max_length=80, blank=True)
    manager = models.CharField(_("manager"), max_length=120, blank=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        blank=True,
        verbose_name=_("members"),
        related_name="sales_teams",
        help_text=_("Sales reps see the accounts of the teams they are members of, and no others."),
    )

    class Meta:
        verbose_name = _("sales team")
        verbose_name_plural = _("sales teams")
        ordering = ["name"]
        permissions = [
            ("own_teams_only", "Sees only accounts of own sales teams"),
            ("see_every_team", "Sees accounts of every sales team, whatever else limits it"),
        ]

    def __str__(self):
        return self.name


class CustomField(models.Model):
    """A field of the user's own, kept in `custom` of accounts, contacts or opportunities, with a declared type."""

    class Of(models.TextChoices):
        ACCOUNT = "account", _("Account")
        CONTACT = "contact", _("Contact")
        OPPORTUNITY = "opportunity", _("Opportunity")

    class Type(models.TextChoices):
        TEXT = "text", _("Text")
        NUMBER = "number", _("Number")
        DATE = "date", _("Date")
        YES_NO = "yes_no", _("Yes or no")

    of = models.CharField(_("belongs to"), max_length=12, choices=Of)
    key = models.SlugField(_("key"), max_length=60)
    label = models.CharField(_("label"), max_length=120)
    type = models.CharField(_("type"), max_length=8, choices=Type, default=Type.TEXT)
    help_text = models.CharField(_("help text"), max_length=300, blank=True)

    class Meta:
        verbose_name = _("custom field")
        verbose_name_plural = _("custom fields")
        ordering = ["of", "label"]
        constraints = [models.UniqueConstraint(fields=["of", "key"], name="customfield_key_once")]

    def __str__(self):
        return f"{self.get_of_display()}: {self.label}"


@pghistory.track()
class Account(SourcedModel):
    """A company. Its fields are dated: every change is kept in the account's field history."""

    name = models.CharField(_("name"), max_length=300)
    other_names = ArrayField(
        models.CharField(max_length=300), verbose_name=_("other names"), default=list, blank=True, db_default=[]
    )
    domain = models.CharField(
        _("domain"), max_length=253, blank=True, default="", help_text=_("For example example.com")
    )
    other_domains = ArrayField(
        models.CharField(max_length=253), verbose_name=_("other domains"), default=list, blank=True, db_default=[]
    )
    industry = models.CharField(_("industry"), max_length=120, blank=True, default="")
    region = models.CharField(_("region"), max_length=80, blank=True, default="")
    country = models.CharField(_("country"), max_length=80, blank=True, default="")
    city = models.CharField(_("city"), max_length=120, blank=True, default="")
    employees = models.PositiveIntegerField(_("employees"), null=True, blank=True)
    revenue = models.DecimalField(
        _("annual revenue"), max_digits=20, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    revenue_currency = models.CharField(_("currency of the revenue"), max_length=3, blank=True, default="")
    tier = models.PositiveSmallIntegerField(
        _("tier"),
        choices=Tier,
        null=True,
        blank=True,
        help_text=_("How closely the account is worked. Journeys may use other thresholds for each tier."),
    )
    relationship = models.CharField(_("relationship"), max_length=12, choices=Relationship, blank=True, default="")
    business_unit = models.CharField(_("business unit"), max_length=120, blank=True, default="")
    source = models.CharField(
        _("source"),
        max_length=120,
        blank=True,
        default="",
        help_text=_("How the account was found: inbound, outbound, event ..."),
    )
    owner = models.CharField(
        _("owner"), max_length=200, blank=True, default="", help_text=_("The sales rep responsible.")
    )
    team = models.ForeignKey(
        SalesTeam, models.SET_NULL, null=True, blank=True, verbose_name=_("sales team"), related_name="accounts"
    )
    parent = models.ForeignKey(
        "self", models.SET_NULL, null=True, blank=True, verbose_name=_("parent company"), related_name="subsidiaries"
    )
    products = ArrayField(
        models.CharField(max_length=120), verbose_name=_("products in use"), default=list, blank=True, db_default=[]
    )
    custom = models.JSONField(_("custom fields"), default=dict, blank=True, db_default={})

    class Meta:
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["source_system", "external_id"], name="account_external_id_once"),
            models.CheckConstraint(condition=Q(tier__isnull=True) | Q(tier__range=(1, 3)), name="account_tier_1_to_3"),
        ]
        indexes = [
            models.Index(Lower("name"), name="account_name_lower"),  # look-up by name: imports, explain
            models.Index(fields=["domain"], name="account_domain"),  # look-up by domain
            models.Index(fields=["name", "id"], name="account_list_order"),  # the admin's list
        ]
        triggers = [*touch_triggers("account", account="r.id"), no_circle_trigger()]

    def __str__(self):
        return self.name


@pghistory.track()
class Contact(SourcedModel):
    """A person, at most in one account at a time. Activities stay with the account they were made for."""

    account = models.ForeignKey(
        Account, models.SET_NULL, null=True, blank=True, verbose_name=_("account"), related_name="contacts"
    )
    name = models.CharField(_("name"), max_length=200, blank=True, default="")
    email = models.EmailField(_("email"), max_length=254, blank=True, default="")
    phone = models.CharField(_("phone"), max_length=60, blank=True, default="")
    job_title = models.CharField(_("job title"), max_length=200, blank=True, default="")
    seniority = models.CharField(
        _("seniority"),
        max_length=12,
        choices=Seniority,
        blank=True,
        default="",
        help_text=_(
            "Read from the job title by the title rules unless fixed by hand. Empty is unknown and meets no minimum."
        ),
    )
    department = models.CharField(_("department"), max_length=20, choices=Department, blank=True, default="")
    classified_by_hand = models.BooleanField(
        _("seniority and department fixed by hand"),
        default=False,
        db_default=False,
        help_text=_("When on, the title rules leave seniority and department of this person alone."),
    )
    buying_role = models.CharField(
        _("buying role"),
        max_length=16,
        choices=BuyingRole,
        blank=True,
        default="",
        help_text=_("A person without a role is no persona."),
    )
    consent = models.CharField(_("consent to be contacted"), max_length=10, choices=Consent, blank=True, default="")
    custom = models.JSONField(_("custom fields"), default=dict, blank=True, db_default={})

    class Meta:
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        ordering = ["name", "id"]
        constraints = [
            models.UniqueConstraint(fields=["source_system", "external_id"], name="contact_external_id_once")
        ]
        indexes = [
            models.Index(Lower("email"), name="contact_email_lower"),
            models.Index(fields=["name", "id"], name="contact_list_order"),
        ]
        triggers = touch_triggers("contact", account="r.account_id", contact="r.id")

    def __str__(self):
        return self.name or self.email or self.external_id or f"#{self.pk}"


@pghistory.track()
class TitleRule(models.Model):
    """Reads seniority or department from a job title. The first active rule that fits decides, one list for each."""

    class Sets(models.TextChoices):
        SENIORITY = "seniority", _("Seniority")
        DEPARTMENT = "department", _("Department")

    class Match(models.TextChoices):
        WORD = "word", _("contains the word")
        TEXT = "text", _("contains the text")
        REGEX = "regex", _("matches the regular expression")

    sets = models.CharField(_("sets"), max_length=10, choices=Sets)
    match = models.CharField(
        _("match"),
        max_length=5,
        choices=Match,
        default=Match.WORD,
        help_text=_("Words suit English titles, text suits Chinese ones."),
    )
    pattern = models.CharField(_("pattern"), max_length=200, help_text=_("Upper and lower case do not matter."))
    value = models.CharField(_("value"), max_length=20)
    order = models.PositiveIntegerField(_("order"), default=100)
    active = models.BooleanField(_("active"), default=True)

    class Meta:
        verbose_name = _("job title rule")
        verbose_name_plural = _("job title rules")
        ordering = ["sets", "order", "id"]
        constraints = [models.UniqueConstraint(fields=["sets", "match", "pattern"], name="titlerule_once")]

    def __str__(self):
        return f"{self.get_match_display()} “{self.pattern}” → {self.value}"


__all__ = ["Account", "Contact", "CustomField", "SalesTeam", "SourcedModel", "TitleRule"]
