"""Softmax regression as scikit-learn estimators, on features of any kind.

`full` is multinomial logistic regression; `tree` is softmax over a binary tree of the classes;
`base` holds what they share, with objective and method.
"""

from w2v_hs.classifier.full import SoftmaxRegression
from w2v_hs.classifier.tree import HierarchicalSoftmaxRegression

__all__ = ["HierarchicalSoftmaxRegression", "SoftmaxRegression"]
