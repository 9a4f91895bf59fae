"""Softmax regression as scikit-learn estimators: full, or over a tree of classes."""

from w2v_hs.classifier.classifier import HierarchicalSoftmaxRegression, SoftmaxRegression

__all__ = ["HierarchicalSoftmaxRegression", "SoftmaxRegression"]
