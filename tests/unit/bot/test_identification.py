"""What a message is written in is known by its words; the chat's own language has the first say."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.chat.languages import Languages, load_languages, read_greetings
from bot.knowledge.identification import SCRIPTS, read_everyday_words
from bot.knowledge.loader import ContentError, codes
from tests.conftest import TESTS


@pytest.fixture(scope="module")
def spoken() -> Languages:
    return load_languages()


def people_type(language: str) -> Iterator[str]:
    """Questions as people type them in a language, of all lists."""
    for name in ("questions", "questions_fresh", "questions_third"):
        entries = tomllib.loads((TESTS / "data" / f"{name}.toml").read_text("utf-8")).get(language, {})
        yield from (text for texts in entries.values() for text in texts)


@pytest.mark.parametrize("language", codes())
def test_no_question_in_the_chats_language_is_taken_for_another(spoken: Languages, language: str) -> None:
    asked = list(people_type(language))
    assert len(asked) > 20
    assert [text for text in asked if spoken.written(text, spoken[language]) != language] == []


def test_a_plain_question_makes_no_other_language_ready() -> None:
    fresh = load_languages()
    assert fresh.written("What is a meningioma?", fresh["en"]) == "en"
    ready = [code for code, language in fresh.items() if "_index" in vars(language.knowledge)]
    assert ready == ["en"]  # the words of each take a third of a second


@pytest.mark.parametrize("language", [code for code in codes() if code != "en"])
def test_nine_of_ten_questions_are_known_in_an_english_chat(spoken: Languages, language: str) -> None:
    asked = list(people_type(language))
    known = [text for text in asked if spoken.written(text, spoken["en"]) == language]
    assert len(known) >= 0.9 * len(asked)


@pytest.mark.parametrize("chat", [code for code in codes() if code != "en"])
def test_english_questions_are_known_in_other_chats(spoken: Languages, chat: str) -> None:
    asked = [text for text in people_type("en") if len(text.split()) >= 5]
    known = [text for text in asked if spoken.written(text, spoken[chat]) == "en"]
    assert len(known) >= 0.95 * len(asked)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("est-ce que c'est grave docteur ?", "fr"),
        ("bonjour", "fr"),
        ("o que é um tumor cerebral", "pt"),
        ("beyin tümörü nedir", "tr"),
        ("wat is een hersentumor", "nl"),
        ("co to jest guz mózgu", "pl"),
        ("у мене болить голова", "uk"),
        ("سرم خیلی درد می کند", "fa"),
        ("میرے سر میں درد ہے", "ur"),
        ("माझे डोके दुखते आहे", "mr"),
        ("τι είναι ο όγκος", "el"),
        ("脳腫瘍とは何ですか", "ja"),
        ("脑肿瘤是什么", "zh"),
        ("뇌종양이 뭐예요", "ko"),
    ],
)
def test_languages_without_a_folder_are_known_too(spoken: Languages, text: str, code: str) -> None:
    assert spoken.written(text, spoken["en"]) == code
    assert spoken.greeting(code) not in (None, spoken.greeting("tlh"))


@pytest.mark.parametrize(
    ("text", "chat"),
    [
        ("tumor", "en"),
        ("MRT", "de"),
        ("cerebral tumor", "en"),
        ("asdf qwer", "en"),
        ("my name is Maria Gonzalez", "en"),
        ("gliblastma multiforme", "en"),
        ("tumer in brian", "en"),
        ("Tumor im Gehirn", "de"),
        ("tumor kya hota hai", "hi"),
        ("glioma", "ar"),
        ("", "ru"),
        ("!!! 12345 \U0001f600 \u202e\x00", "en"),
        ("\ud800" * 3, "en"),
        ("a" * 4096, "es"),
    ],
)
def test_names_typos_shared_words_and_noise_change_nothing(spoken: Languages, text: str, chat: str) -> None:
    assert spoken.written(text, spoken[chat]) == chat


def test_hindi_in_latin_letters_is_known(spoken: Languages) -> None:
    assert spoken.written("mujhe sir me dard hai kya ye tumor hai", spoken["en"]) == "hi"


def test_every_language_without_a_folder_has_its_sentence() -> None:
    assert read_everyday_words().keys() <= read_greetings().keys()
    assert set(SCRIPTS.values()) - set(codes()) <= read_greetings().keys()


@pytest.mark.parametrize("line", ['Français = "je tu"', "fr = 3", 'fr = " "'])
def test_wrong_everyday_words_are_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "everyday_words.toml").write_text(line.replace("Français", '"Français"'), "utf-8")
    with pytest.raises(ContentError, match=r"^everyday_words.toml: .* write the commonest words"):
        read_everyday_words(tmp_path)
