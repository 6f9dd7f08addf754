"""The features of `lambdas/features` on Spark: the same queries over the clean zone of the lake, the same snapshot."""
