import pytest

from segmentation.engine.titles import DEFAULT_RULES, Rule, TitleClassifier
from segmentation.errors import InvalidValueError

DEFAULT = TitleClassifier(DEFAULT_RULES)


@pytest.mark.parametrize(
    ("title", "seniority", "department"),
    [
        ("CEO", "c_level", "executive"),
        ("C.E.O.", "c_level", "executive"),
        ("Chief Financial Officer", "c_level", "finance"),
        ("President", "c_level", "executive"),
        ("Co-founder & CTO", "c_level", "engineering"),
        ("Owner", "c_level", "executive"),
        ("Vice President", "vp", ""),
        ("Senior Vice-President, Sales", "vp", "sales"),
        ("V.P. Marketing", "vp", "marketing"),
        ("Deputy CEO", "vp", "executive"),
        ("Director of IT", "director", "it"),
        ("Head of Growth", "director", "marketing"),
        ("Chief Engineer", "director", "engineering"),
        ("Chief of Staff", "director", "executive"),
        ("Account Manager", "manager", "sales"),
        ("Production Manager", "manager", "operations"),
        ("Assistant to the CEO", "other", "executive"),
        ("Executive Assistant", "other", ""),
        ("Product Owner", "other", "product"),
        ("Sales Engineer", "other", "sales"),
        ("Former CEO", "other", "executive"),
        ("总裁", "c_level", "executive"),
        ("董事长", "c_level", "executive"),
        ("首席技术官", "c_level", "engineering"),
        ("財務長", "c_level", "finance"),
        ("副总裁", "vp", "executive"),
        ("副總經理", "vp", "executive"),
        ("销售VP", "vp", "sales"),
        ("市场总监", "director", "marketing"),
        ("IT總監", "director", "it"),
        ("首席架构师", "director", "engineering"),
        ("销售部总经理", "director", "sales"),
        ("客户经理", "manager", "sales"),
        ("产品主管", "manager", "product"),
        ("总裁助理", "other", "executive"),
        ("软件工程师", "other", "engineering"),
        ("ｄｉｒｅｃｔｏｒ", "director", ""),
        ("  ", "", ""),
        ("Sorceress", "", ""),
    ],
)
def test_the_ready_made_rules_read(title, seniority, department):
    assert tuple(DEFAULT.classify(title)) == (seniority, department)


def test_no_ready_made_rule_is_there_twice():
    keys = [(rule.sets, rule.match, rule.pattern) for rule in DEFAULT_RULES]
    assert len(keys) == len(set(keys))


def test_the_first_rule_that_fits_decides():
    rules = [Rule("seniority", "word", "manager", "manager"), Rule("seniority", "word", "vp", "vp")]
    assert TitleClassifier(rules).classify("VP and manager").seniority == "manager"
    assert TitleClassifier(reversed(rules)).classify("VP and manager").seniority == "vp"


def test_a_word_stands_alone_and_a_text_does_not():
    word = TitleClassifier([Rule("department", "word", "it", "it")])
    text = TitleClassifier([Rule("department", "text", "it", "it")])
    assert [word.classify(title).department for title in ("Head of IT", "Auditor", "IT经理")] == ["it", "", "it"]
    assert text.classify("Auditor").department == "it"


def test_the_order_of_titles_is_kept():
    assert [found.seniority for found in DEFAULT.classify_all(["CEO", "x", "CEO"])] == ["c_level", "", "c_level"]


def test_a_pattern_that_is_no_regular_expression_is_named():
    with pytest.raises(InvalidValueError, match=r"\(head") as caught:
        TitleClassifier([Rule("seniority", "regex", "(head", "director")])
    assert caught.value.code == "bad_regex"


def test_an_empty_pattern_is_refused():
    with pytest.raises(InvalidValueError):
        TitleClassifier([Rule("seniority", "word", "  ", "director")])
