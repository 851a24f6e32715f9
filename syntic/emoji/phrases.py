"""The words that captions are made of, whichever hand writes them: places, times, counts, relations, people.

Nouns and what things do stand in `catalogue.py`; how words are put together, in `grammar.py`. A word
that says something about the scene is in one of these tables and means one thing, so that what a
caption says can be read back.
"""

from __future__ import annotations

from .catalogue import ANIMALS

Words = tuple[str, ...]

PLACES: dict[str, Words] = {
    "park": ("in a park", "in the park", "in a grassy park", "on the grass in a park", "on a lawn"),
    "beach": ("on a beach", "at the beach", "on a sandy beach", "by the ocean", "on the sand", "by the sea"),
    "street": ("on a street", "on the street", "on the road", "in the street", "on a busy street"),
    "snow": ("in the snow", "on a snowy slope", "on a snowy mountain", "on the snow", "on a snowy hill"),
    "lake": ("by a lake", "at the lake", "next to a lake", "near the water", "on the shore of a lake"),
    "field": ("in a field", "on a farm", "in a grassy field", "in a green field", "in a meadow"),
    "city": ("in the city", "in a city", "in front of tall buildings", "downtown", "on a city street"),
    "living room": ("in a living room", "in the living room", "in a lounge"),
    "kitchen": ("in a kitchen", "in the kitchen"),
    "bedroom": ("in a bedroom", "in the bedroom"),
    "office": ("in an office", "in the office", "at the office"),
    "bathroom": ("in a bathroom", "in the bathroom", "in a tiled bathroom"),
}
"""Where things are, by setting."""

ON_WATER: dict[str, Words] = {
    "lake": ("on a lake", "on the water", "on the lake"),
    "beach": ("on the ocean", "on the sea", "out at sea"),
}
"""Where boats and surfers are."""

IN_WATER: dict[str, Words] = {
    "lake": ("in a lake", "in the water", "in the lake"),
    "beach": ("in the ocean", "in the sea", "in the waves"),
}
"""Where swimmers are."""

ON_SURFACE: dict[str, Words] = {
    "office": ("on a desk", "on a desk in an office", "on an office desk"),
    "bathroom": ("on a bathroom counter", "on a counter in a bathroom"),
    "kitchen": ("on a kitchen counter", "on a counter in a kitchen", "on a table in a kitchen"),
    "living room": ("on a table in a living room", "on a coffee table", "on a coffee table in a lounge"),
}
"""Where small things are, in rooms with a table."""

SCENERY: dict[str, Words] = {
    "park": ("a park", "a green park"),
    "beach": ("a beach", "a sandy beach"),
    "street": ("a street", "a road"),
    "snow": ("a snowy slope", "a snowy hill"),
    "lake": ("a lake", "a calm lake"),
    "field": ("a field", "a farm field"),
    "city": ("a city street", "a city"),
    "living room": ("a living room", "a lounge"),
    "kitchen": ("a kitchen",),
    "bedroom": ("a bedroom",),
    "office": ("an office", "an office room"),
    "bathroom": ("a bathroom", "a tiled bathroom"),
}
"""The setting as a thing of its own, as in "a park with two dogs", "flying over a park"."""

PLACE_KEYWORDS: dict[str, Words] = {
    "park": ("park", "grassy park", "public park"),
    "beach": ("beach", "tropical beach", "summer beach", "seaside", "sea coast"),
    "street": ("street", "road", "roadside", "asphalt road"),
    "snow": ("snow", "snowy mountain", "winter slope", "winter landscape", "ski resort"),
    "lake": ("lake", "lakeside", "mountain lake", "calm lake"),
    "field": ("field", "farm", "countryside", "rural farmland", "grassy meadow"),
    "city": ("city", "downtown", "urban skyline", "cityscape", "skyscrapers"),
    "living room": ("living room", "living room interior", "cozy lounge"),
    "kitchen": ("kitchen", "home kitchen", "kitchen interior"),
    "bedroom": ("bedroom", "bedroom interior", "cozy bedroom"),
    "office": ("office", "modern office", "workplace", "office interior"),
    "bathroom": ("bathroom", "modern bathroom", "bathroom interior", "restroom"),
}
"""The setting in alt text; the first is the shortest."""

TIMES: dict[str, Words] = {
    "day": ("on a sunny day", "during the day", "on a clear day", "in bright sunlight", "in the daytime"),
    "sunset": ("at sunset", "in the evening", "under an orange sky", "at dusk", "as the sun sets"),
    "night": ("at night", "in the dark", "late at night", "after dark", "under a dark sky"),
}
INDOOR_TIMES: dict[str, Words] = {
    "day": (),
    "sunset": ("in the evening", "at dusk"),
    "night": ("at night", "late at night", "after dark"),
}
TIME_KEYWORDS: dict[str, Words] = {
    "day": ("daytime", "sunny day", "daylight"),
    "sunset": ("sunset", "dusk", "evening"),
    "night": ("night", "at night", "nighttime"),
}

WEATHER: dict[str, dict[str, Words]] = {
    "cloudy": {
        "day": ("on a cloudy day", "under a cloudy sky", "under grey clouds", "on an overcast day"),
        "sunset": ("on a cloudy evening", "under grey clouds at sunset", "on an overcast evening"),
        "night": ("on a cloudy night", "under grey clouds at night", "on an overcast night"),
    },
    "rain": {
        "day": ("in the rain", "on a rainy day", "while it is raining", "in pouring rain"),
        "sunset": ("on a rainy evening", "in the evening rain", "in the rain at sunset"),
        "night": ("on a rainy night", "in the rain at night", "in pouring rain after dark"),
    },
    "snowfall": {
        "day": ("while it is snowing", "as snow falls", "during a snowfall", "in falling snow"),
        "sunset": ("while it is snowing at dusk", "as snow falls at sunset", "in falling snow at sunset"),
        "night": ("while it is snowing at night", "as snow falls at night", "in falling snow after dark"),
    },
    "fog": {
        "day": ("in the fog", "on a foggy day", "in thick fog", "on a misty day"),
        "sunset": ("on a foggy evening", "in the fog at sunset", "on a misty evening"),
        "night": ("on a foggy night", "in the fog at night", "on a misty night"),
    },
}
"""Weather and time of day together; those of the day may leave the time unsaid."""

WEATHER_KEYWORDS: dict[str, Words] = {
    "cloudy": ("clouds", "overcast sky", "cloudy weather"),
    "rain": ("rain", "rainy weather"),
    "snowfall": ("snowfall", "falling snow"),
    "fog": ("fog", "foggy weather", "mist"),
}

COUNTS: dict[int, Words] = {
    2: ("two", "two", "a couple of", "a pair of"),
    3: ("three", "three", "a few"),
    5: ("a group of", "several", "many", "a bunch of"),
}
COUNT_KEYWORDS: dict[int, Words] = {2: ("two",), 3: ("three",), 5: ("many", "several")}
SIZES: dict[str, Words] = {"big": ("large", "big", "huge"), "small": ("small", "little", "tiny")}

CLOTHES: Words = ("in {}", "dressed in {}", "wearing {}", "in {} clothes", "in a {} outfit")
CLOTHES_OF_SEVERAL: Words = ("in {}", "dressed in {}", "wearing {}", "in {} clothes", "in {} outfits")
GARMENTS: Words = (
    "in a {} shirt",
    "wearing a {} shirt",
    "in a {} jacket",
    "wearing a {} jacket",
    "in a {} top",
    "wearing a {} sweater",
    "wearing {} clothing",
    "dressed in {}",
)
GARMENTS_OF_SEVERAL: Words = (
    "in {} shirts",
    "wearing {} shirts",
    "in {} jackets",
    "wearing {} sweaters",
    "wearing {} clothing",
    "dressed in {}",
)
"""What people wear, in the colour of their clothes; those of several people after those of one."""

RELATIONS: dict[str, Words] = {
    "next to": ("next to", "beside", "next to", "alongside"),
    "near": ("near", "close to", "not far from"),
    "in front of": ("in front of",),
    "behind": ("behind",),
    "on": ("on top of", "on", "sitting on"),
    "above": ("above", "over", "flying over"),
    "under": ("under", "beneath", "underneath"),
    "with": ("with", "with", "along with"),
}
"""How the first group stands to the second: "FIRST relation SECOND"."""

SAYS_THE_VERB = frozenset({"sitting on", "flying over"})
"""Relations that say what the first group does; no verb stands before them."""

POSITIONS: dict[str, Words] = {
    "next to": ("next to {}", "beside {}"),
    "near": ("nearby", "close by", "near {}", "not far away"),
    "in front of": ("behind {}", "in the background"),
    "behind": ("in front of {}", "in the foreground"),
}
"""The same, said of the second group: "FIRST ... while SECOND stands POSITION"; {} is him, her or them."""

OVERHEAD: Words = ("overhead", "above {}", "in the sky")
"""Where something in the sky is that stands `near` people."""

OPENINGS: Words = ("a picture of", "a photo of", "an image of", "a close up of", "a view of")

KINDS: dict[str, tuple[tuple[str, str], ...]] = {
    "man": (("man", "men"), ("guy", "guys"), ("young man", "young men"), ("gentleman", "gentlemen")),
    "woman": (("woman", "women"), ("lady", "ladies"), ("young woman", "young women")),
    "person": (("person", "people"), ("young person", "young people")),
}
"""People as the hands `people` and `web` call them; `PEOPLE` of the catalogue are everyday's."""

ROLES: dict[str, tuple[tuple[str, str], ...]] = {
    "running": (("runner", "runners"), ("jogger", "joggers")),
    "surfing": (("surfer", "surfers"),),
    "skiing": (("skier", "skiers"),),
    "snowboarding": (("snowboarder", "snowboarders"),),
    "cycling": (("cyclist", "cyclists"),),
    "riding": (("jockey", "jockeys"), ("rider", "riders")),
    "dancing": (("dancer", "dancers"),),
    "golf": (("golfer", "golfers"),),
    "basketball": (("basketball player", "basketball players"),),
    "rowing": (("rower", "rowers"),),
    "swimming": (("swimmer", "swimmers"),),
    "juggling": (("juggler", "jugglers"),),
    "cartwheel": (("gymnast", "gymnasts"),),
    "weights": (("weightlifter", "weightlifters"),),
}
"""People by what they do; "male" or "female" before it says the rest."""

SEXES = {"man": "male ", "woman": "female ", "person": ""}
PRONOUNS = {"man": "him", "woman": "her", "person": "them", "": "it"}
"""What stands for the first group, by its kind; "" are animals."""

ANIMALS_LOOK_ON: Words = ("watching", "waiting", "looking on")
"""What animals do when people are busy, besides their own verbs."""

MOVERS = ANIMALS | {
    "person",
    "car",
    "bus",
    "truck",
    "motorcycle",
    "bicycle",
    "train",
    "boat",
    "airplane",
    "kite",
    "frisbee",
}
"""Who and what a clause of its own may be about: "while a bus is parked behind him"."""

BASES: dict[str, str] = {
    "bouncing": "bounce",
    "coming": "come",
    "cycling": "cycle",
    "dancing": "dance",
    "doing": "do",
    "dribbling": "dribble",
    "driving": "drive",
    "floating": "float",
    "flying": "fly",
    "galloping": "gallop",
    "going": "go",
    "grazing": "graze",
    "hitting": "hit",
    "holding": "hold",
    "hopping": "hop",
    "jogging": "jog",
    "juggling": "juggle",
    "lifting": "lift",
    "looking": "look",
    "meditating": "meditate",
    "paddling": "paddle",
    "performing": "perform",
    "playing": "play",
    "posing": "pose",
    "practicing": "practice",
    "resting": "rest",
    "riding": "ride",
    "rowing": "row",
    "running": "run",
    "sailing": "sail",
    "sitting": "sit",
    "snowboarding": "snowboard",
    "sprinting": "sprint",
    "standing": "stand",
    "strolling": "stroll",
    "surfing": "surf",
    "swimming": "swim",
    "swinging": "swing",
    "taking": "take",
    "tossing": "toss",
    "turning": "turn",
    "waiting": "wait",
    "walking": "walk",
    "watching": "watch",
}
"""Participle -> verb. What is not here takes "is" or "are": "is parked", "is skiing" ("skis" are things)."""

PLURAL_OBJECTS: dict[str, str] = {
    "a barbell": "barbells",
    "a basketball": "basketballs",
    "a bicycle": "bicycles",
    "a bike": "bikes",
    "a boat": "boats",
    "a cartwheel": "cartwheels",
    "a golf club": "golf clubs",
    "a horse": "horses",
    "a small boat": "small boats",
    "a snowboard": "snowboards",
    "a surfboard": "surfboards",
    "a wave": "waves",
}
"""What several people have one each of: "three men riding bikes"."""
