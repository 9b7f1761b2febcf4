"""What the fields of records mean, where the models do not say it; for the description of the API."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

FIELD_HELP: Mapping[str, Any] = {
    # Everywhere
    "id": _("Primary key, given by this installation."),
    "external_id": _("The id of the record in its source system. It is recognised by it, and one id is stored once."),
    "source_system": _("Short name of the system the external id belongs to."),
    "created_in_source_at": _("When the source system made the record; the history begins here or at the first fact."),
    "recorded_at": _("When this installation learnt of it."),
    "updated_at": _("When it was last changed here."),
    "custom": _("Your own fields by key. Only declared ones are taken; null empties one, those left out stay."),
    "owner": _("The sales rep responsible."),
    "team": _("Sales team: its key or name. A name nobody knows makes a new team."),
    "account": _("The account: its external id, else its name or domain."),
    "contact": _("The person: external id or mail address."),
    "crm_stage": _("Stage as the CRM calls it. A new one is made without meaning and shown in the admin to be mapped."),
    "amount": _("Amount of the deal, in its currency."),
    "currency": _("Three letters, such as EUR."),
    "expected_close": _("Day on which the deal is expected to close."),
    "occurred_at": _("When it happened. Without offset the time is of the site's time zone."),
    "product": _("What is sold."),
    # Accounts
    "account.name": _("Name of the company; needed for a new one."),
    "other_names": _("Other names by which the company is found."),
    "domain": _("Web domain, such as example.com; an address is shortened to it."),
    "other_domains": _("Other domains of the company."),
    "industry": _("Industry, in your own words."),
    "region": _("Sales region."),
    "country": _("Country."),
    "city": _("City."),
    "employees": _("Number of employees."),
    "revenue": _("Annual revenue."),
    "revenue_currency": _("Three letters, such as EUR."),
    "tier": _("1 one-to-one, 2 one-to-few, 3 one-to-many."),
    "relationship": _("What the company is to you."),
    "business_unit": _("Your business unit that serves it."),
    "source": _("How the account was found."),
    "parent": _("Parent company: external id, else name or domain."),
    "products": _("Your products the company uses."),
    # Contacts
    "contact.name": _("Full name."),
    "email": _("Mail address; a contact without external id is recognised by it."),
    "phone": _("Telephone number."),
    "job_title": _("Job title; seniority and department are read from it."),
    "seniority": _("Rank. Given here it counts as fixed by hand; else the job title decides."),
    "department": _("Department. Given here it counts as fixed by hand; else the job title decides."),
    "classified_by_hand": _("Whether seniority and department were fixed by hand."),
    "buying_role": _("Role in a purchase; a person without one is no persona."),
    "consent": _("Consent to be contacted."),
    # Activities
    "activity.external_id": _("The id of the activity in its source system; null if the source gave none."),
    "type": _("Activity type, by key."),
    "seconds": _("Engaged seconds; empty counts the default minutes of the type."),
    "minutes": _("Engaged minutes, instead of seconds."),
    "outcome": _("How an arranged activity ended: held, no_show, cancelled, postponed or a word of your own."),
    "campaign": _("Campaign it belongs to."),
    "content": _("Title of the page, document or event."),
    "url": _("Address of the page."),
    "source_key": _("Identifies the fact across all sources; made of source system and external id."),
    # Opportunities
    "opportunity.name": _("Name of the deal."),
    "opportunity.opened_at": _("First change to an open stage, else when the source made the deal."),
    "opportunity.closed_at": _("When the deal was won or lost; null while it is open."),
    "kind": _("New business, upsell, cross-sell or renewal."),
    "account_reference": _("The account as the source named it, kept while no such account is known."),
    "first_year_value": _("Value of the first year, in the currency of the deal."),
    "loss_reason": _("Why the deal was lost."),
    "stage_at": _("Since when the deal is in this stage; goes into its history."),
    "close_date": _("Of a closed deal when it closed, of an open one when it is expected to."),
    "opened_at": _("When the deal was opened."),
    "closed_at": _("When the deal was closed; null while it is open."),
    # Opportunity changes
    "opportunitychange.external_id": _("The id of the change in its source system; null if the source gave none."),
    "opportunity": _("External id of the opportunity."),
    "opportunitychange.occurred_at": _("When it changed; empty if not known."),
    "sequence": _("Order among changes of the same moment."),
    # Settings
    "key": _("Short name used by the API."),
    "name": _("Name, as people read it."),
    "side": _("Who caused it: marketing, sales or product."),
    "category": _("Groups types in reports."),
    "default_minutes": _("Engaged minutes of an activity for which none were recorded."),
    "is_hot": _("Whether it is a strong sign of interest."),
    "is_meeting": _("Whether it counts as a meeting."),
    "active": _("Whether it is still offered."),
    "meaning": _("What the stage says about a deal; empty: not mapped yet."),
    "position": _("Order within the process."),
    "description": _("What it is for."),
    "unit": _("What moves through the stages."),
    "order": _("The first published journey is shown on the start page."),
    "versions": _("Its versions, the newest first."),
    "number": _("Number of the version."),
    "state": _("A draft may be edited; a published version never changes."),
    "note": _("What changed and why."),
    "created_at": _("When it was made."),
    "published_at": _("When it was published; null for a draft."),
    "has_history": _("Whether stays in stages are stored for this version."),
}


def help_of(model_name: str, field: str) -> Any:
    """Return what a field means; nothing when nobody said."""
    return FIELD_HELP.get(f"{model_name}.{field}") or FIELD_HELP.get(field, "")
