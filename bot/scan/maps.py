"""The heat map alone, and that of each kind which the model knows: drawn anew when somebody asks for them."""

from bot.chat.context import BotContext
from bot.scan import wording
from bot.scan.messages import picture_words
from bot.scan.track_record import card_of
from bot.scan.worker_jobs import draw_maps
from inference.card import ModelCard
from storage.records import Scan


async def send_maps(context: BotContext, scan: Scan) -> None:
    """Send one picture with all maps; says so where another model than today's read the scan.

    A worker reads the kept picture once more, behind whatever waits already.
    """
    card = card_of(scan, context.services.models.values())
    if card is None or scan.study is not None:
        await context.say("maps.gone", number=scan.number)
        return
    titles = kind_titles(scan, card, context)
    kept = await context.database.scans.pictures(scan.id)
    words, alone = picture_words(context.texts), context.texts.plain("maps.alone")
    picture = await context.services.executor.run(
        draw_maps, kept.original, scan.organ, alone, titles, words, client=context.person.id
    )
    said = [context.texts("maps.caption", number=scan.number)]
    if len(titles) > 1:
        said.append(context.texts("maps.kinds"))
    caption = "\n\n".join((*said, context.texts("maps.limits"), context.texts("caption.program")))
    await context.bot.send_photo(
        context.person.chat_id, picture, caption=caption, filename=f"TumorScan-{scan.public_id}-maps.jpg"
    )


def kind_titles(scan: Scan, card: ModelCard, context: BotContext) -> dict[str, str]:
    """Class name -> what people call it, of every finding that the model tells from others."""
    kinds = [kind.name for kind in card.classes if kind.tumor]
    return {name: wording.label_words(scan.organ, name, context.texts) for name in kinds}
