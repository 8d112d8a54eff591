"""Every text for people is short, plain, sourced, and neither alarms nor reassures."""

import re
from collections.abc import Iterator

import pytest

from bot.knowledge.knowledge import SECTION_KEYS, Knowledge, Question, Source, Topic
from tests.reading import grade, syllables

ENGLISH = Knowledge.load()
HARDEST = 8.0
MESSAGE = 4096
"""Characters of a Telegram message (telegram.constants.MessageLimit.MAX_TEXT_LENGTH)."""
PUBLISHERS = {
    "www.cancer.gov",
    "cancer.gov",
    "medlineplus.gov",
    "rarediseases.info.nih.gov",
    "pmc.ncbi.nlm.nih.gov",
    "www.cancerresearchuk.org",
    "epilepsysociety.org.uk",
    "arxiv.org",
    "www.fda.gov",
}
ALARMING = (
    "deadly|fatal|lethal|terminal|horrible|horrific|terrifying|dreadful|grim|hopeless|doomed|killer|death|catastroph\\w*|"
    "devastat\\w*|nightmare|dire|you will die|too late|danger\\w*"
)
REASSURING = (
    "don't worry|do not worry|no need to worry|nothing to worry|no reason to worry|harmless|rest assured|all clear|"
    "good news|you are (?:fine|safe|healthy|well|ok)|you're (?:fine|safe|healthy|ok)|everything is (?:fine|ok)|relax|"
    "be calm|lucky|fortunately|luckily|perfectly"
)
CERTAIN = (
    "I am (?:certain|sure|confident|positive)|I'm (?:certain|sure|confident)|I know that (?:you|it|this)|I guarantee|"
    "definitely|certainly|without (?:a )?doubt|undoubtedly|100 ?%|"
    "I diagnose|my diagnosis|you have (?:a )?(?:tumour|cancer)"
)
MEANT_OTHERWISE = (
    "I can't tell you that",
    "It does not mean that you are well",
    "tell someone else that they are well",
)


def shown() -> Iterator[tuple[str, str]]:
    """Each text that people read, with a name for it."""
    for topic in ENGLISH.topics:
        yield f"topic {topic.slug} summary", topic.summary
        for section in topic.sections:
            yield f"topic {topic.slug} {section.key}", section.text
    for question in ENGLISH.questions:
        yield f"question {question.slug}", question.answer
    for flag in ENGLISH.red_flags:
        yield f"flag {flag.slug}", flag.text


TEXTS = dict(shown())


def test_there_are_enough_questions_and_topics() -> None:
    listed = [question for group in ENGLISH.groups if not group.hidden for question in group.questions]
    assert len(listed) >= 60
    assert len(ENGLISH.topics) >= 9


@pytest.mark.parametrize("topic", ENGLISH.topics, ids=lambda topic: topic.slug)
def test_topic_has_all_sections_and_fits_a_message(topic: Topic) -> None:
    assert tuple(section.key for section in topic.sections) == SECTION_KEYS
    assert all(section.title and section.text for section in topic.sections)
    assert topic.sources
    whole = sum(len(section.title) + len(section.text) + 4 for section in topic.sections) + len(topic.summary)
    assert whole <= MESSAGE
    assert all(len(section.text) <= 1000 for section in topic.sections)


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_plain_enough(name: str) -> None:
    assert grade(TEXTS[name]) <= HARDEST


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_neither_alarms_nor_reassures_nor_claims_certainty(name: str) -> None:
    text = TEXTS[name]
    for allowed in MEANT_OTHERWISE:
        text = text.replace(allowed, "")
    for words in (ALARMING, REASSURING, CERTAIN):
        found = re.search(rf"\b(?:{words})\b", text, re.IGNORECASE)
        assert found is None, f"{name}: {found and found[0]}"


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_plain_text_in_british_spelling(name: str) -> None:
    text = re.sub(r"\{[a-z_.]+\}", "9", TEXTS[name]).replace("TumorScan", "This")
    assert text == text.strip()
    assert not re.search(r"[<>*_`\[\]]|&\w+;", text)
    assert not re.search(r"tumor|leukemia|color|hemorrh|gray\b|center\b|behavior", text, re.IGNORECASE)
    assert "  " not in text
    assert text[-1] in '.?"' or text.splitlines()[-1].startswith("•")


@pytest.mark.parametrize("question", ENGLISH.questions, ids=lambda question: question.slug)
def test_an_answer_has_two_to_seven_sentences(question: Question) -> None:
    text = question.answer
    assert 2 <= len(re.findall(r"[.?!](?=\s|$|\")", text)) <= 7
    assert len(text) <= 600


MEDICAL = {"brain", "leukaemia"}


def test_medical_answers_name_their_sources() -> None:
    for question in ENGLISH.questions:
        if question.group in MEDICAL:
            assert question.sources, question.slug


def sources() -> set[Source]:
    lists = [entry.sources for entry in ENGLISH.topics]
    lists += [entry.sources for entry in ENGLISH.questions]
    lists += [entry.sources for entry in ENGLISH.red_flags]
    return {source for each in lists for source in each}


def url_of(source: Source) -> str:
    return source.url


BY_URL: list[Source] = sorted(sources(), key=url_of)


@pytest.mark.parametrize("source", BY_URL, ids=url_of)
def test_source_is_complete_and_from_a_chosen_publisher(source: Source) -> None:
    assert source.title
    assert source.publisher
    assert source.licence in {"public domain", "cited; facts only"}
    scheme, _, rest = source.url.partition("://")
    assert scheme == "https"
    assert rest.split("/")[0] in PUBLISHERS


def test_changed_texts_are_not_called_pdq() -> None:
    assert not any("PDQ" in text for text in TEXTS.values())
    assert not any("PDQ" in source.title for source in sources())


def test_slugs_are_unique_and_fit_a_button() -> None:
    slugs = [topic.slug for topic in ENGLISH.topics] + [question.slug for question in ENGLISH.questions]
    assert len(set(slugs)) == len(slugs)
    assert all(re.fullmatch(r"[a-z0-9-]{2,32}", slug) for slug in slugs)


@pytest.mark.parametrize(
    ("word", "beats"),
    [("tumour", 2), ("headache", 2), ("leukaemia", 4), ("radiation", 4), ("called", 1), ("needed", 2), ("diseases", 3)],
)
def test_the_reading_grade_counts_syllables_as_they_are_spoken(word: str, beats: int) -> None:
    assert syllables(word) == beats


def test_the_reading_grade_tells_hard_text_from_plain_text() -> None:
    plain = "The cat sat on the mat. It was a warm day. We went home."
    hard = (
        "Immunohistochemical characterisation notwithstanding, definitive neuropathological categorisation "
        "necessitates integrated molecular stratification of heterogeneous intracranial neoplasms."
    )
    assert grade(plain) < 2
    assert grade(hard) > 20
