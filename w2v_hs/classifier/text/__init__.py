"""Text classification: texts with labels -> rows of features -> training -> a model of labels.

`labelled` reads texts with labels, `options` has the options, `features` turns texts into rows of
words and n-grams, `training` trains, `model` predicts, `file` is its file, `evaluation` scores it.
Method: Joulin, Grave, Bojanowski and Mikolov 2017, "Bag of Tricks for Efficient Text
Classification".
"""
