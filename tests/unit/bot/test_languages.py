"""A language is one folder: whole, or refused in one line that names the file and the key."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.app import open_services
from bot.chat.languages import MOST_CHATS, ChatLanguages, Languages, load_language, load_languages
from bot.errors import StartError
from bot.knowledge import cries
from bot.knowledge.loader import CODE, DEFAULT_LANGUAGE, LANGUAGES, ContentError, Folder, codes
from bot.languages.check import check, main
from bot.settings import load_settings
from tests.conftest import PROJECT

Spoil = Callable[[Path], object]


def changed(file: str, old: str, new: str) -> Spoil:
    """A folder in which one passage of one file reads differently."""

    def change(folder: Path) -> None:
        path = folder / file
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), "utf-8")

    return change


def without(file: str) -> Spoil:
    return lambda folder: (folder / file).unlink()


def english_and_a_copy(parent: Path, code: str) -> Path:
    """Write both into ``parent``."""
    for name in (DEFAULT_LANGUAGE, code):
        shutil.copytree(LANGUAGES / DEFAULT_LANGUAGE, parent / name)
    return parent


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A place with English and a copy of it, called ``xx``."""
    return english_and_a_copy(tmp_path / "languages", "xx")


FAULTS = [
    (without("faq/care.toml"), "xx/faq/care.toml", "the file is missing"),
    (without("report.toml"), "xx/report.toml", "the file is missing"),
    (without("words.toml"), "xx/words.toml", "the file is missing"),
    (changed("interface.toml", 'received = "I have', 'recieved = "I have'), "xx/interface.toml", "status.re"),
    (changed("interface.toml", "[status]", "[statuses]"), "xx/interface.toml", "status"),
    (changed("interface.toml", '"Scan {number}"', '"Scan {nummer}"'), "xx/interface.toml", "scan.unnamed"),
    (changed("interface.toml", '"Scan {number}"', '"Scan"'), "xx/interface.toml", "{number} is missing"),
    (changed("interface.toml", '"Scan {number}"', '"Scan {number"'), "xx/interface.toml", "a brace stands alone"),
    (changed("interface.toml", '"Scan {number}"', "3"), "xx/interface.toml", "scan.unnamed must be a text"),
    (changed("interface.toml", '"Scan {number}"', '" "'), "xx/interface.toml", "scan.unnamed must be a text"),
    (changed("interface.toml", "kept.one =", "kept.two ="), "xx/interface.toml", '"two" is no plural form of English'),
    (changed("interface.toml", "kept.one =", "# kept.one ="), "xx/interface.toml", 'form "one" is missing'),
    (changed("interface.toml", "kept.other =", "# kept.other ="), "xx/interface.toml", 'form "other" is missing'),
    (changed("interface.toml", 'nothing = "', 'nothing.other = "'), "xx/interface.toml", "it has no plural forms"),
    (changed("interface.toml", "<b>Your scans</b>", "<b>Your scans"), "xx/interface.toml", "history.title: markup"),
    (changed("interface.toml", "Drop pictures that wait", "Drop <b>all</b>"), "xx/interface.toml", "command.cancel"),
    (changed("interface.toml", "Drop pictures that wait", "x" * 257), "xx/interface.toml", "Telegram takes 256"),
    (changed("interface.toml", '"en-GB"', '"klingon"'), "xx/interface.toml", "language.locale"),
    (changed("report.toml", "{page} of {pages}", "{page}"), "xx/report.toml", "page: {pages} is missing"),
    (changed("report.toml", 'weak = "', 'week = "'), "xx/report.toml", "we"),
    (changed("topics/glioma.toml", 'title = "Glioma"', 'tittle = "Glioma"'), "xx/topics/glioma.toml", "tit"),
    (changed("topics/glioma.toml", 'key = "help"', 'key = "aid"'), "xx/topics/glioma.toml", 'key = "help"'),
    (changed("topics/glioma.toml", "illness = true", "illness = false"), "xx/topics/glioma.toml", "illness must stay"),
    (changed("topics/glioma.toml", "gard-glioma", "gard-gout"), "xx/topics/glioma.toml", "called gard-gout"),
    (changed("faq/result.toml", "[[questions]]", "[[questions"), "xx/faq/result.toml", "not valid TOML"),
    (changed("faq/about.toml", 'slug = "is-it-free"', 'slug = "free"'), "xx/faq/about.toml", 'slug = "is-it-free"'),
    (changed("sources.toml", 'publisher = "Epilepsy Society"', "publisher = 3"), "xx/sources.toml", "publisher"),
    (changed("red_flags.toml", "always = true", "always = false"), "xx/red_flags.toml", "always must stay"),
    (changed("red_flags.toml", 'slug = "headache"', 'slug = "head"'), "xx/red_flags.toml", 'slug = "headache"'),
    (changed("words.toml", '"what is {}"', '"what is it"'), "xx/words.toml", "sections.what, entry 1: {} is missing"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "file", "said"), FAULTS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_half_language_is_told_with_file_and_key(folders: Path, spoil: Spoil, file: str, said: str) -> None:
    spoil(folders / "xx")
    lines = check("xx", folders)
    assert said in "\n".join(lines)
    assert all(line.startswith(file) and "\n" not in line for line in lines)


async def test_start_fails_with_one_line_naming_the_file(
    folders: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    changed("interface.toml", 'busy = "', 'bussy = "')(folders / "xx")
    monkeypatch.setattr("bot.knowledge.loader.LANGUAGES", folders)
    settings = load_settings(_env_file=None, database_url=f"sqlite+aiosqlite:///{tmp_path / 'bot.db'}")
    with pytest.raises(StartError, match=r"^bot/languages/xx/interface.toml: error\.busy is missing$"):
        async with open_services(settings):
            pytest.fail("it has started")


def test_the_languages_that_ship_are_whole() -> None:
    languages = load_languages()
    assert tuple(languages) == codes()
    assert languages.default.code == DEFAULT_LANGUAGE
    assert len({language.name for language in languages.values()}) == len(languages)


def test_the_translators_check_tells_all_that_is_missing(folders: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["xx", "--parent", str(folders)]) == 0
    without("faq/care.toml")(folders / "xx")
    changed("interface.toml", '"Scan {number}"', '"Scan"')(folders / "xx")
    assert main(["xx", "--parent", str(folders)]) == 1
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split(": ")[0] for line in lines] == ["xx/faq/care.toml", "xx/interface.toml"]


def test_language_may_use_the_default_languages_sources(folders: Path) -> None:
    without("sources.toml")(folders / "xx")
    languages = load_languages(parent=folders)
    assert languages["xx"].knowledge.topics[0].sources == languages.default.knowledge.topics[0].sources


@pytest.mark.parametrize("code", ["..", "../en", "../../etc", "", "EN", "zz"])
def test_what_is_no_language_folder_is_refused(code: str) -> None:
    with pytest.raises(ContentError, match="is no language folder"):
        Folder.read(code)


# Which language a person speaks


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> Languages:
    """English, and a copy of it that calls itself Deutsch."""
    folders = english_and_a_copy(tmp_path_factory.mktemp("languages"), "de")
    changed("interface.toml", 'name = "English"', 'name = "Deutsch"')(folders / "de")
    changed("interface.toml", '"en-GB"', '"de"')(folders / "de")
    (folders / "greetings.toml").write_text(
        'fr = "Je parle : {languages}."\nzh-hant = "我會說：{languages}"\n', "utf-8"
    )
    return load_languages(parent=folders)


@pytest.mark.parametrize(
    ("code", "spoken_code"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("DE", "de"),
        ("en-us", "en"),
        ("fr", None),
        ("klingon", None),
        ("", None),
        (None, None),
    ],
)
def test_telegrams_code_chooses_the_language(spoken: Languages, code: str | None, spoken_code: str | None) -> None:
    found = spoken.spoken(code)
    assert (found.code if found else None) == spoken_code
    assert spoken.of(code).code == (spoken_code or "en")


@pytest.mark.parametrize("typed", ["de", "Deutsch", "deutsch ", "German", "GERMAN"])
def test_a_language_is_known_by_its_names(spoken: Languages, typed: str) -> None:
    assert spoken.named(typed) is spoken["de"]


@pytest.mark.parametrize("typed", ["klingon", "", "français", "../en", "d" * 4000, "<b>de</b>"])
def test_another_word_names_no_language(spoken: Languages, typed: str) -> None:
    assert spoken.named(typed) is None


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("fr", "Je parle : English, Deutsch."),
        ("fr-CA", "Je parle : English, Deutsch."),
        ("zh-hant", "我會說：English, Deutsch"),
        ("tlh", "I don't speak that language yet. I speak English, Deutsch. Please pick one:"),
        ("de", None),
        (None, None),
        ("", None),
    ],
)
def test_greeting_names_our_languages_to_other_speakers(spoken: Languages, code: str | None, said: str | None) -> None:
    assert spoken.greeting(code) == said


@pytest.mark.parametrize("line", ['fr = "Bonjour"', 'fr = "{languages} {name}"', 'Français = "{languages}"', "fr = 3"])
def test_a_wrong_greeting_is_refused(folders: Path, line: str) -> None:
    (folders / "greetings.toml").write_text(line, "utf-8")
    with pytest.raises(ContentError, match=r"greetings\.toml"):
        load_languages(parent=folders)


def test_the_commonest_languages_of_telegram_are_greeted_in_theirs() -> None:
    languages = load_languages()
    plain = languages.greeting("tlh")
    common = (
        "ar", "az", "be", "bn", "cs", "de", "es", "fa", "fr", "he", "hi", "hu", "id", "it", "ja", "kk", "ko", "ms",
        "nl", "pl", "pt-br", "ro", "ru", "th", "tr", "uk", "ur", "uz", "vi", "zh-hans", "zh-hant",
    )  # fmt: skip
    for code in common:
        assert CODE.fullmatch(code)
        sentence = languages.greeting(code)
        assert (sentence is None) == (languages.spoken(code) is not None)
        assert sentence is None or (sentence != plain and "English" in sentence)


def test_what_a_chat_spoke_last_is_remembered_within_bounds() -> None:
    chats = ChatLanguages()
    for chat in range(MOST_CHATS + 1):
        chats.note(chat, "de")
    assert (chats.get(0), chats.get(1), chats.get(MOST_CHATS)) == (None, "de", "de")


def test_single_language_loads_for_the_command_line() -> None:
    assert load_language().code == DEFAULT_LANGUAGE


def test_cries_of_each_language_are_heard_in_any_chat() -> None:
    assert set(codes()) <= set(cries.languages())


@pytest.mark.parametrize("code", codes())
def test_each_language_has_lists_to_measure_it_by(code: str) -> None:
    wanted = {"questions.toml", "red_flags.toml", "tone.toml"} - ({"tone.toml"} if code == DEFAULT_LANGUAGE else set())
    assert wanted <= {file.name for file in (PROJECT / "tests" / "data" / "languages" / code).glob("*.toml")}
