"""How they see: frames pass through the eye of the one who looks.

`gpu_job.vision.eye` composes; each other module is one stage, a pure function of frames ``(T, 3, H, W) float32`` in
linear light, 0 to 1, on any device. Colours come first there, so that a row of a picture is a row of memory.
"""
