"""Functions that label clips: rules that parameters cannot express.

A function gets a row of the table of clips (`text`, `creator`, `lang`, `duration_s`, …) and gives a label, or None
where it has nothing to say. Rules of a package of your own are imported here.

    from cu_pipeline.labeling.sources.rules import rule

    @rule("topic", probability=0.9)
    def long_recipes(clip):
        return "cooking" if "recipe" in clip["text"] and clip["duration_s"] > 60 else None
"""
