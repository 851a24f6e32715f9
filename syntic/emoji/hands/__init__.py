"""Three hands that write captions: `everyday` like COCO's, `people` like Flickr30k's, `web` like alt text.

Each module has `write_full`, which leaves nothing out, and `write_partial`.
"""
