"""What a DICOM file says that it shows: another kind of picture is refused by its own word, before any model looks."""

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from inference.analysis import Reason
from inference.decode.dicom_tags import items, scopes, text

if TYPE_CHECKING:
    from pydicom import Dataset

_MODALITIES: Final = {
    "CT": Reason.DICOM_CT,
    **dict.fromkeys(("CR", "DX", "DR", "RG", "MG", "XA", "XR", "RF", "IO", "PX", "BMD", "RTIMAGE"), Reason.DICOM_XRAY),
    **dict.fromkeys(("CF", "DF", "DS", "VF"), Reason.DICOM_XRAY),
    **dict.fromkeys(("US", "IVUS", "BDUS", "EC", "CD", "DD"), Reason.DICOM_ULTRASOUND),
    **dict.fromkeys(("PT", "PET", "NM", "ST"), Reason.DICOM_NUCLEAR),
    **dict.fromkeys(("OP", "OPT", "OPM", "OPV", "OCT", "IVOCT", "ES", "DMS"), Reason.DICOM_OTHER_KIND),
    **dict.fromkeys(("ECG", "EEG", "EMG", "EOG", "EPS", "HD", "AU", "RESP", "BI"), Reason.DICOM_OTHER_KIND),
    **dict.fromkeys(("TG", "DG", "CFM", "OAM", "OSS", "LEN", "LS", "FA", "FS", "AS"), Reason.DICOM_OTHER_KIND),
    **dict.fromkeys(("SEG", "RTDOSE", "RTSTRUCT", "RTPLAN"), Reason.DICOM_OTHER_KIND),
}  # fmt: skip
"""SC and OT, which any copy of a slice may have, decide nothing; neither do XC, GM and SM, which may show a smear."""
_STORAGE: Final = {
    "1.2.840.10008.5.1.4.1.1.1": Reason.DICOM_XRAY,
    "1.2.840.10008.5.1.4.1.1.2": Reason.DICOM_CT,
    "1.2.840.10008.5.1.4.1.1.3": Reason.DICOM_ULTRASOUND,
    "1.2.840.10008.5.1.4.1.1.6": Reason.DICOM_ULTRASOUND,
    "1.2.840.10008.5.1.4.1.1.12": Reason.DICOM_XRAY,
    "1.2.840.10008.5.1.4.1.1.13": Reason.DICOM_XRAY,
    "1.2.840.10008.5.1.4.1.1.481.1": Reason.DICOM_XRAY,
    "1.2.840.10008.5.1.4.1.1.20": Reason.DICOM_NUCLEAR,
    "1.2.840.10008.5.1.4.1.1.128": Reason.DICOM_NUCLEAR,
    "1.2.840.10008.5.1.4.1.1.130": Reason.DICOM_NUCLEAR,
    "1.2.840.10008.5.1.4.1.1.66.4": Reason.DICOM_OTHER_KIND,
    "1.2.840.10008.5.1.4.1.1.77.1.1": Reason.DICOM_OTHER_KIND,
    "1.2.840.10008.5.1.4.1.1.77.1.5": Reason.DICOM_OTHER_KIND,
    "1.2.840.10008.5.1.4.1.1.481.2": Reason.DICOM_OTHER_KIND,
}
"""SOP classes, whose longer names begin alike (digital X-ray is ...1.1.1.1, enhanced CT ...1.1.2.1)."""
_HEAD: Final = (
    *("HEAD", "BRAIN", "SKULL", "CRANI", "CEREB", "NEURO", "KOPF", "SCHAEDEL", "HIRN", "TETE", "CABEZA", "TESTA"),
    *("PITUITARY", "SELLA", "ORBIT", "FACE", "WHOLEBODY", "WHOLE BODY"),
)
_ELSEWHERE: Final = (
    *("KNEE", "KNIE", "GENOU", "RODILLA", "SHOULDER", "SCHULTER", "ELBOW", "WRIST", "HAND", "FINGER", "HIP"),
    *("HUEFTE", "ANKLE", "FOOT", "FUSS", "TOE", "HEEL", "CALCANEUS", "LEG", "THIGH", "CALF", "FEMUR", "TIBIA"),
    *("ARM", "FOREARM", "HUMERUS", "RADIUS", "ULNA", "EXTREMITY", "SPINE", "CSPINE", "TSPINE", "LSPINE", "SSPINE"),
    *("CERVICAL", "LUMBAR", "LUMBOSACRAL", "THORACIC", "SACRUM", "COCCYX", "VERTEBRA", "WIRBELSAEULE", "NECK", "HALS"),
    *("CHEST", "THORAX", "LUNG", "HEART", "HERZ", "CARDIAC", "BREAST", "RIB", "STERNUM", "CLAVICLE"),
    *("ABDOMEN", "ABDOMENPELVIS", "CHESTABDOMEN", "CHESTABDPELVIS", "PELVIS", "BECKEN", "LIVER", "LEBER", "KIDNEY"),
    *("PANCREAS", "SPLEEN", "BOWEL", "COLON", "RECTUM", "BLADDER", "PROSTATE", "UTERUS", "OVARY", "SCROTUM", "PENIS"),
    *("MAMMA", "SCAPULA", "THUMB", "FIBULA", "AORTA", "SIJOINT", "JAW", "TMJ", "LARYNX", "THYROID"),
)  # fmt: skip


class Subject(StrEnum):
    """What the tags promise."""

    UNKNOWN = "unknown"
    MR = "mr"
    """An MRI, of the head or of a part that is not named."""


def subject(dataset: "Dataset") -> Subject | Reason:
    """What the file says that it shows, or why it is refused for what it says."""
    modality = text(dataset, "Modality")
    if modality in _MODALITIES:
        return _MODALITIES[modality]
    if not modality:
        storage = text(dataset, "SOPClassUID")
        for uid, reason in _STORAGE.items():
            if storage == uid or storage.startswith(f"{uid}."):
                return reason
    if any(_is_elsewhere(part) for part in _parts(dataset)):
        return Reason.DICOM_OTHER_PART
    return Subject.MR if modality in ("MR", "MRI") else Subject.UNKNOWN


def _parts(dataset: "Dataset") -> list[str]:
    named = [text(dataset, "BodyPartExamined")]
    for scope in scopes(dataset, "FrameAnatomySequence"):
        named += [text(item, "CodeMeaning") for item in items(scope, "AnatomicRegionSequence")[:1]]
    return named


def _is_elsewhere(part: str) -> bool:
    if not part or any(word in part for word in _HEAD):
        return False
    words = "".join(letter if letter.isalpha() else " " for letter in part).split()
    return any(word in _ELSEWHERE or word.removesuffix("S") in _ELSEWHERE for word in (*words, "".join(words)))
