"""Files -> Batch: folders of photographs, and the LightningDataModules over them."""

from segsr.data.image_folder import ImageFolder
from segsr.data.masked_pair import MaskedPairDataModule
from segsr.data.pair import PairDataModule

__all__ = ["ImageFolder", "MaskedPairDataModule", "PairDataModule"]
