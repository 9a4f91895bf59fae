"""Classifiers as scikit-learn estimators, on features of any kind and on texts.

`full` is multinomial logistic regression; `grouped` is softmax over groups of classes and within
each; `tree` is softmax over a binary tree of the classes; `multilabel` is a tree of labels of which
a row may have several. `base` holds what they share, with the objective. The solvers are `lbfgs`
(on an `objective`), `nodes`, `softmaxes` and `descent`; `class_trees` makes trees and groups.
`text` classifies texts, and needs no scikit-learn; `text_classifier` is its estimator.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # for type checkers, which do not see what `__getattr__` does
    from w2v_hs.classifier.full import SoftmaxRegression as SoftmaxRegression
    from w2v_hs.classifier.grouped import GroupedSoftmaxRegression as GroupedSoftmaxRegression
    from w2v_hs.classifier.multilabel import ProbabilisticLabelTree as ProbabilisticLabelTree
    from w2v_hs.classifier.text.labelled import read_labelled as read_labelled
    from w2v_hs.classifier.text_classifier import TextClassifier as TextClassifier
    from w2v_hs.classifier.tree import HierarchicalSoftmaxRegression as HierarchicalSoftmaxRegression

# Name -> where it is. Imported when first used, so that `text` does not need scikit-learn.
_PUBLIC = {
    "GroupedSoftmaxRegression": "w2v_hs.classifier.grouped",
    "HierarchicalSoftmaxRegression": "w2v_hs.classifier.tree",
    "ProbabilisticLabelTree": "w2v_hs.classifier.multilabel",
    "SoftmaxRegression": "w2v_hs.classifier.full",
    "TextClassifier": "w2v_hs.classifier.text_classifier",
    "read_labelled": "w2v_hs.classifier.text.labelled",
}

__all__ = [
    "GroupedSoftmaxRegression",
    "HierarchicalSoftmaxRegression",
    "ProbabilisticLabelTree",
    "SoftmaxRegression",
    "TextClassifier",
    "read_labelled",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'w2v_hs.classifier' has no attribute {name!r}")
    value = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = value
    return value
