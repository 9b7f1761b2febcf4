"""The funnel page: the question in its address, and a tab for each way to look at the answer."""
