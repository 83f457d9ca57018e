def test_requests_are_cleaned_like_the_feed(bundles):
    from cu_pipeline.inference.predictor import Predictor

    assert Predictor(bundles).ask(None, " Tom &amp; Jerry\u200b ", {}).text == "Tom & Jerry"
