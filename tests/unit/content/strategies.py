"""Formatted texts as Telegram could hold them, with characters that are hard for parsers."""

from hypothesis import strategies as st

from vestnik.content import EntityType, FormattedText, MessageEntity, count_units, normalise
from vestnik.content.entities import ATOMS, LITERALS, STYLES

HARD = "ab я\u0301 _*~|`[]()!>{}\\.#-+=&<;\"'\n\u00a0é😀𝒳👩‍🚀"
URLS = [
    "https://example.org/",
    "http://example.org/a_(b)?q=1&lt=2#*x*",
    "https://example.org/\\{brace}<>\"'",
    "tg://resolve?domain=durov",
    "mailto:a@example.org",
    "tel:+4912345",
]
KINDS = tuple(EntityType)


def _make(kind: EntityType, offset: int, length: int, number: int) -> MessageEntity:
    return MessageEntity(
        type=kind,
        offset=offset,
        length=length,
        url=URLS[number % len(URLS)] if kind is EntityType.TEXT_LINK else None,
        language=[None, "python", "c++"][number % 3] if kind is EntityType.PRE else None,
        user_id=number + 1 if kind is EntityType.TEXT_MENTION else None,
        custom_emoji_id=2**62 + number if kind is EntityType.CUSTOM_EMOJI else None,
    )


@st.composite
def formatted_texts(
    draw: st.DrawFn,
    *,
    kinds: tuple[EntityType, ...] = KINDS,
    characters: str = HARD,
    crossing: bool = True,
) -> FormattedText:
    """`crossing`: styles may reach over the ends of quotes, which HTML can write and Markdown cannot."""
    text = ""
    entities: list[MessageEntity] = []
    for quote in draw(
        st.lists(st.sampled_from([None, *(kind for kind in kinds if "quote" in kind)]), max_size=4)
    ):
        block = "q" + draw(st.text(characters, max_size=30)) + "p"
        base = count_units(text)
        entities += draw(_atoms(block, base, tuple(kind for kind in kinds if kind in ATOMS)))
        if not crossing:
            entities += draw(_styles(block, base, kinds))
        if quote is not None:
            entities.append(_make(quote, base, count_units(block), 0))
        text += block + "\n"
    if crossing:
        entities += draw(_styles(text, 0, kinds))
    literals = [entity for entity in entities if entity.type in LITERALS]
    return normalise(
        text,
        [
            entity
            for entity in entities
            if entity.type not in STYLES
            or all(entity.end <= literal.offset or literal.end <= entity.offset for literal in literals)
        ],
    )


def _atoms(block: str, base: int, kinds: tuple[EntityType, ...]) -> st.SearchStrategy[list[MessageEntity]]:
    """Side by side."""

    @st.composite
    def build(draw: st.DrawFn) -> list[MessageEntity]:
        if not kinds:
            return []
        cuts = sorted(draw(st.sets(st.integers(0, len(block)), max_size=6)))
        spans = zip(cuts[::2], cuts[1::2], strict=False)
        return [
            _make(draw(st.sampled_from(kinds)), base + count_units(block[:start]), count_units(block[start:end]),
                  draw(st.integers(0, 11)))
            for start, end in spans
        ]  # fmt: skip

    return build()


def _styles(text: str, base: int, kinds: tuple[EntityType, ...]) -> st.SearchStrategy[list[MessageEntity]]:
    """Anywhere, over one another too."""
    style = st.sampled_from([kind for kind in kinds if kind in STYLES])
    place = st.integers(0, len(text))

    @st.composite
    def build(draw: st.DrawFn) -> list[MessageEntity]:
        found = []
        for kind, one, other in draw(st.lists(st.tuples(style, place, place), max_size=5)):
            start, end = sorted((one, other))
            if start < end:
                found.append(_make(kind, base + count_units(text[:start]), count_units(text[start:end]), 0))
        return found

    return build()
