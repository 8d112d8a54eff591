"""What people change after they sent it: a caption, a question, the picture itself."""

from telegram import Update

from bot.sandbox import Person
from tests import pictures
from tests.integration.chatting import is_report, scans_of
from tests.integration.conftest import RunningBot


async def test_a_corrected_caption_is_the_new_label(bot: RunningBot, agreed: Person) -> None:
    sent = await agreed.send_document(pictures.brain(), caption="Ana")
    await agreed.wait_for(is_report, timeout=60)
    await agreed.edit(sent, "Anna B.")
    await agreed.wait_for(lambda message: "Anna B." in message.text and message.id > sent.id, timeout=60)
    [scan] = await scans_of(bot, agreed)
    assert scan.patient_label == "Anna B."
    assert "report" not in scan.file_ids, "the report that was sent shows the old name"


async def test_a_question_in_other_words_is_answered(anna: Person) -> None:
    sent = await anna.send_text("qwertz")
    await anna.wait_for(lambda message: message.from_bot)
    await anna.edit(sent, "what is a glioma")
    await anna.wait_for(lambda message: "glioma" in message.text.lower() and message.id > sent.id)


async def test_a_picture_in_another_ones_place_is_read(bot: RunningBot, agreed: Person) -> None:
    sent = await agreed.send_document(pictures.brain(seed=1))
    await agreed.wait_for(is_report, timeout=60)
    other = await agreed.send_document(pictures.brain(seed=2))
    await agreed.wait_for(lambda message: is_report(message) and "scan 2" in message.text, timeout=60)
    replaced = {**sent.raw, "document": {**other.raw["document"], "file_unique_id": "another"}, "edit_date": 1}
    await bot.application.update_queue.put(
        Update.de_json({"update_id": 2**40, "edited_message": replaced}, bot.application.bot)
    )
    await agreed.wait_for(lambda message: is_report(message) and "scan 3" in message.text, timeout=60)
