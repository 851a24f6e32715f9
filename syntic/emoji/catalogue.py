"""The things of the emoji world: names, sprites, sizes, and who is found where with whom.

Labels are COCO's, so the same captions drive the `paper` profile too. Sprites are given by their
Unicode sequence, as the emoji packages name their files.
"""

from __future__ import annotations

from dataclasses import dataclass

OPEN = frozenset({"park", "beach", "street", "snow", "lake", "field", "city"})
GREEN = frozenset({"park", "field", "lake"})
ROADS = frozenset({"street", "city"})
ROOMS = frozenset({"living room", "bedroom"})
TABLE = frozenset({"kitchen", "living room"})
INDOOR = ROOMS | {"kitchen", "office"}


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One class of things.

    Attributes:
        label: COCO's class name.
        nouns: (singular, plural) pairs; the first is the most common.
        sprites: Unicode sequences drawn for it; one is picked per scene.
        size: height of the nearest one as a fraction of the picture.
        places: settings it is found in.
        zone: where it is drawn: "ground", "sky", "water" or "surface" (a table top).
        verbs: what a caption says that it does.
        tintable: whether its sprite can be recoloured.
        carries: fraction of its height at which something sits on it, or None.
    """

    label: str
    nouns: tuple[tuple[str, str], ...]
    sprites: tuple[str, ...]
    size: float
    places: frozenset[str]
    zone: str = "ground"
    verbs: tuple[str, ...] = ()
    tintable: bool = False
    carries: float | None = None

    @property
    def is_small(self) -> bool:
        """Whether it can sit on a piece of furniture, a car or a large animal."""
        return self.size <= 0.36


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What a person does.

    Attributes:
        name: of the activity.
        sprites: Unicode sequence by kind of person.
        phrases: the words for it.
        places: settings it is done in.
        size, zone: as of a `Thing`.
        wears_colours: whether the clothes may be recoloured; not where a sprite brings its own water or snow.
    """

    name: str
    sprites: dict[str, str]
    phrases: tuple[str, ...]
    places: frozenset[str]
    size: float = 0.5
    zone: str = "ground"
    wears_colours: bool = True


def _thing(
    label: str, sprites: str, size: float, places: frozenset[str] | set[str], *nouns: str, **more: object
) -> Thing:
    names = nouns or (f"{label}/{label}s",)
    pairs = tuple((n.split("/")[0], n.split("/")[1]) for n in names)
    return Thing(
        label=label,
        nouns=pairs,
        sprites=tuple(sprites.split()),
        size=size,
        places=frozenset(places),
        **more,  # type: ignore[arg-type]
    )


ANIMALS = frozenset({"dog", "cat", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", "bird"})
FURNITURE = frozenset({"couch", "bed", "chair", "tv", "book", "suitcase"})
"""What food and small objects may be put on."""

_STAND = ("standing", "standing around")
_FOOD = ("sitting", "placed", "served")
_PLACED = ("sitting", "placed")
_DRIVE = ("parked", "driving", "stopped")

THINGS: dict[str, Thing] = {
    thing.label: thing
    for thing in (
        _thing(
            "dog",
            "1f415",
            0.38,
            OPEN | INDOOR,
            "dog/dogs",
            "puppy/puppies",
            verbs=("standing", "walking", "playing"),
        ),
        _thing(
            "cat",
            "1f408",
            0.34,
            INDOOR | {"park", "street", "bathroom"},
            "cat/cats",
            "kitten/kittens",
            verbs=("standing", "sitting", "resting"),
        ),
        _thing(
            "horse",
            "1f40e",
            0.5,
            GREEN | {"beach", "snow"},
            verbs=("running", "standing", "galloping"),
            carries=0.72,
        ),
        _thing(
            "sheep",
            "1f411",
            0.42,
            GREEN | {"snow"},
            "sheep/sheep",
            "lamb/lambs",
            verbs=("grazing", "standing"),
            carries=0.85,
        ),
        _thing(
            "cow",
            "1f404",
            0.46,
            GREEN | {"beach", "street"},
            "cow/cows",
            verbs=("grazing", "standing"),
            carries=0.85,
        ),
        _thing("elephant", "1f418", 0.58, GREEN | {"street"}, verbs=("walking", "standing"), carries=0.95),
        _thing(
            "bear",
            "1f43b",
            0.4,
            GREEN | {"snow"},
            "bear/bears",
            "brown bear/brown bears",
            verbs=("looking around", "sitting"),
        ),
        _thing("zebra", "1f993", 0.5, {"field", "park", "lake"}, verbs=_STAND + ("grazing",), carries=0.72),
        _thing("giraffe", "1f992", 0.62, {"field", "park", "lake"}, verbs=_STAND + ("walking",)),
        _thing("bird", "1f426", 0.26, OPEN, "bird/birds", verbs=("standing", "resting")),
        _thing(
            "bicycle",
            "1f6b2",
            0.38,
            OPEN - {"snow"},
            "bicycle/bicycles",
            "bike/bikes",
            verbs=("parked", "standing"),
            tintable=True,
        ),
        _thing(
            "car",
            "1f697",
            0.38,
            ROADS | {"snow", "beach", "field"},
            "car/cars",
            "automobile/automobiles",
            "vehicle/vehicles",
            verbs=_DRIVE,
            tintable=True,
            carries=0.97,
        ),
        _thing(
            "motorcycle",
            "1f3cd-fe0f",
            0.36,
            ROADS | {"beach", "park"},
            "motorcycle/motorcycles",
            "motorbike/motorbikes",
            verbs=_DRIVE,
            tintable=True,
        ),
        _thing(
            "airplane",
            "2708-fe0f",
            0.34,
            OPEN,
            "airplane/airplanes",
            "plane/planes",
            zone="sky",
            verbs=("flying", "flying in the sky"),
        ),
        _thing("bus", "1f68c", 0.46, ROADS | {"snow"}, "bus/buses", verbs=_DRIVE, carries=0.98),
        _thing(
            "train",
            "1f686",
            0.5,
            {"field", "city", "snow"},
            "train/trains",
            verbs=("stopped", "coming down the tracks"),
        ),
        _thing(
            "truck",
            "1f69a",
            0.46,
            ROADS | {"snow", "field"},
            "truck/trucks",
            "delivery truck/delivery trucks",
            verbs=_DRIVE,
            carries=0.98,
        ),
        _thing(
            "boat",
            "26f5",
            0.44,
            {"lake", "beach"},
            "boat/boats",
            "sailboat/sailboats",
            zone="water",
            verbs=("sailing", "floating"),
        ),
        _thing(
            "traffic light",
            "1f6a6",
            0.46,
            ROADS,
            "traffic light/traffic lights",
            "stoplight/stoplights",
            verbs=("standing",),
        ),
        _thing(
            "umbrella",
            "2602-fe0f",
            0.42,
            {"beach", "park", "street", "city"},
            verbs=("standing", "open"),
            tintable=True,
        ),
        _thing(
            "kite",
            "1fa81",
            0.3,
            {"beach", "park", "field"},
            zone="sky",
            verbs=("flying", "flying in the sky"),
        ),
        _thing(
            "sports ball",
            "26bd",
            0.24,
            {"park", "field", "beach", "street"},
            "soccer ball/soccer balls",
            "ball/balls",
            verbs=("lying",),
        ),
        _thing("skateboard", "1f6f9", 0.3, ROADS | {"park"}, verbs=("lying",)),
        _thing(
            "suitcase",
            "1f9f3",
            0.36,
            ROADS | ROOMS | {"beach"},
            "suitcase/suitcases",
            "piece of luggage/pieces of luggage",
            verbs=("standing",),
            tintable=True,
            carries=0.82,
        ),
        _thing(
            "wine glass",
            "1f377",
            0.34,
            TABLE,
            "wine glass/wine glasses",
            "glass of wine/glasses of wine",
            zone="surface",
            verbs=_FOOD,
        ),
        _thing(
            "cup",
            "2615",
            0.28,
            TABLE | {"bedroom", "office"},
            "cup of coffee/cups of coffee",
            "cup/cups",
            "mug/mugs",
            zone="surface",
            verbs=_FOOD,
        ),
        _thing("banana", "1f34c", 0.3, TABLE, zone="surface", verbs=_FOOD),
        _thing("apple", "1f34e", 0.28, TABLE, zone="surface", verbs=_FOOD),
        _thing(
            "sandwich", "1f96a", 0.3, TABLE | {"park"}, "sandwich/sandwiches", zone="surface", verbs=_PLACED
        ),
        _thing("orange", "1f34a", 0.28, TABLE, zone="surface", verbs=_FOOD),
        _thing("carrot", "1f955", 0.28, {"kitchen", "field"}, zone="surface", verbs=_PLACED),
        _thing("hot dog", "1f32d", 0.28, TABLE | {"street"}, zone="surface", verbs=_PLACED),
        _thing(
            "pizza",
            "1f355",
            0.32,
            TABLE,
            "pizza/pizzas",
            "slice of pizza/slices of pizza",
            zone="surface",
            verbs=_FOOD,
        ),
        _thing(
            "donut", "1f369", 0.28, TABLE, "donut/donuts", "doughnut/doughnuts", zone="surface", verbs=_FOOD
        ),
        _thing(
            "cake",
            "1f382",
            0.34,
            TABLE,
            "cake/cakes",
            "birthday cake/birthday cakes",
            zone="surface",
            verbs=_FOOD,
        ),
        _thing(
            "couch",
            "1f6cb-fe0f",
            0.5,
            {"living room"},
            "couch/couches",
            "sofa/sofas",
            verbs=("standing",),
            tintable=True,
            carries=0.3,
        ),
        _thing("bed", "1f6cf-fe0f", 0.46, {"bedroom"}, verbs=("standing",), tintable=True, carries=0.5),
        _thing(
            "chair",
            "1fa91",
            0.44,
            INDOOR | {"beach", "park"},
            "chair/chairs",
            "wooden chair/wooden chairs",
            verbs=("standing",),
            carries=0.42,
        ),
        _thing(
            "potted plant",
            "1fab4",
            0.38,
            INDOOR | {"bathroom"},
            "potted plant/potted plants",
            "plant/plants",
            verbs=("standing",),
        ),
        _thing(
            "tv", "1f4fa", 0.36, ROOMS, "tv/tvs", "television/televisions", verbs=("standing",), carries=0.78
        ),
        _thing(
            "laptop",
            "1f4bb",
            0.3,
            INDOOR,
            "laptop/laptops",
            "laptop computer/laptop computers",
            zone="surface",
            verbs=("sitting", "placed"),
        ),
        _thing("clock", "1f570-fe0f", 0.3, INDOOR, zone="surface", verbs=("standing", "sitting")),
        _thing(
            "book",
            "1f4d5",
            0.28,
            INDOOR,
            zone="surface",
            verbs=("lying", "sitting"),
            tintable=True,
            carries=0.97,
        ),
        _thing(
            "teddy bear",
            "1f9f8",
            0.34,
            ROOMS,
            "teddy bear/teddy bears",
            "stuffed bear/stuffed bears",
            verbs=("sitting",),
        ),
        _thing("stop sign", "1f6d1", 0.4, ROADS, verbs=("standing",)),
        _thing(
            "backpack",
            "1f392",
            0.34,
            ROADS | ROOMS | {"park"},
            "backpack/backpacks",
            "school bag/school bags",
            verbs=("standing", "lying"),
            tintable=True,
        ),
        _thing(
            "handbag",
            "1f45c",
            0.32,
            ROADS | ROOMS,
            "handbag/handbags",
            "purse/purses",
            verbs=("standing", "lying"),
            tintable=True,
        ),
        _thing(
            "tie",
            "1f454",
            0.32,
            {"bedroom", "living room"},
            "tie/ties",
            "shirt and tie/shirts and ties",
            verbs=("lying",),
        ),
        _thing("frisbee", "1f94f", 0.26, {"park", "field", "beach"}, zone="sky", verbs=("flying",)),
        _thing("skis", "1f3bf", 0.36, {"snow"}, "pair of skis/pairs of skis", verbs=("standing", "lying")),
        _thing(
            "tennis racket",
            "1f3be",
            0.34,
            {"park", "field", "bedroom"},
            "tennis racket/tennis rackets",
            "racket/rackets",
            verbs=("lying",),
        ),
        _thing(
            "bottle",
            "1f37e",
            0.36,
            TABLE,
            "bottle/bottles",
            "bottle of wine/bottles of wine",
            zone="surface",
            verbs=_FOOD,
        ),
        _thing("fork", "1f374", 0.3, TABLE, "fork/forks", zone="surface", verbs=("lying", "placed")),
        _thing(
            "knife",
            "1f52a",
            0.3,
            {"kitchen"},
            "knife/knives",
            "kitchen knife/kitchen knives",
            zone="surface",
            verbs=("lying", "placed"),
        ),
        _thing("spoon", "1f944", 0.3, TABLE, zone="surface", verbs=("lying", "placed")),
        _thing("bowl", "1f963", 0.28, TABLE, zone="surface", verbs=_FOOD),
        _thing(
            "broccoli",
            "1f966",
            0.28,
            {"kitchen", "field"},
            "piece of broccoli/pieces of broccoli",
            zone="surface",
            verbs=_PLACED,
        ),
        _thing("toilet", "1f6bd", 0.42, {"bathroom"}, verbs=("standing",), carries=0.45),
        _thing(
            "toothbrush",
            "1faa5",
            0.3,
            {"bathroom"},
            "toothbrush/toothbrushes",
            zone="surface",
            verbs=("lying",),
        ),
        _thing(
            "keyboard",
            "2328-fe0f",
            0.26,
            {"office", "living room"},
            "keyboard/keyboards",
            "computer keyboard/computer keyboards",
            zone="surface",
            verbs=("lying", "placed"),
        ),
        _thing(
            "mouse",
            "1f5b1-fe0f",
            0.26,
            {"office"},
            "computer mouse/computer mice",
            zone="surface",
            verbs=("lying", "placed"),
        ),
        _thing(
            "cell phone",
            "1f4f1",
            0.3,
            INDOOR,
            "cell phone/cell phones",
            "phone/phones",
            "smartphone/smartphones",
            zone="surface",
            verbs=("lying", "placed"),
        ),
        _thing("vase", "1f3fa", 0.36, INDOOR | {"bathroom"}, verbs=("standing",), zone="surface"),
        _thing(
            "scissors",
            "2702-fe0f",
            0.3,
            {"office", "kitchen"},
            "pair of scissors/pairs of scissors",
            zone="surface",
            verbs=("lying", "placed"),
        ),
    )
}

_M, _W = "-200d-2642-fe0f", "-200d-2640-fe0f"


def _both(code: str) -> dict[str, str]:
    return {"man": code + _M, "woman": code + _W}


ACTIVITIES: dict[str, Activity] = {
    activity.name: activity
    for activity in (
        Activity(
            name="standing",
            sprites=_both("1f9cd"),
            phrases=("standing", "standing", "posing"),
            places=OPEN | INDOOR | {"bathroom"},
            size=0.52,
        ),
        Activity(
            name="walking",
            sprites=_both("1f6b6"),
            phrases=("walking", "taking a walk", "strolling"),
            places=OPEN | ROOMS,
            size=0.52,
        ),
        Activity(
            name="running",
            sprites=_both("1f3c3"),
            phrases=("running", "jogging", "sprinting"),
            places=OPEN - {"snow"},
            size=0.5,
        ),
        Activity(
            name="surfing",
            sprites=_both("1f3c4"),
            phrases=("surfing", "riding a wave", "riding a surfboard"),
            places=frozenset({"beach"}),
            size=0.5,
            zone="water",
            wears_colours=False,
        ),
        Activity(
            name="skiing",
            sprites={"person": "26f7-fe0f"},
            phrases=("skiing", "skiing downhill", "riding skis"),
            places=frozenset({"snow"}),
            wears_colours=False,
        ),
        Activity(
            name="snowboarding",
            sprites={"person": "1f3c2"},
            phrases=("snowboarding", "riding a snowboard", "snowboarding downhill"),
            places=frozenset({"snow"}),
            wears_colours=False,
        ),
        Activity(
            name="cycling",
            sprites=_both("1f6b4"),
            phrases=("riding a bike", "riding a bicycle", "cycling"),
            places=ROADS | {"park", "field"},
        ),
        Activity(
            name="riding",
            sprites={"person": "1f3c7"},
            phrases=("riding a horse", "riding on horseback", "on horseback"),
            places=frozenset({"field", "beach", "park"}),
            size=0.52,
            wears_colours=False,
        ),
        Activity(
            name="dancing",
            sprites={"woman": "1f483", "man": "1f57a"},
            phrases=("dancing", "performing a dance"),
            places=ROOMS | {"park", "street", "city"},
            size=0.5,
        ),
        Activity(
            name="golf",
            sprites=_both("1f3cc-fe0f"),
            phrases=("playing golf", "swinging a golf club", "practicing golf"),
            places=frozenset({"park", "field"}),
            size=0.5,
        ),
        Activity(
            name="basketball",
            sprites=_both("26f9-fe0f"),
            phrases=("playing basketball", "dribbling a basketball", "bouncing a basketball"),
            places=frozenset({"park", "street", "city"}),
            size=0.5,
        ),
        Activity(
            name="rowing",
            sprites=_both("1f6a3"),
            phrases=("rowing a boat", "in a small boat", "paddling a boat"),
            places=frozenset({"lake"}),
            size=0.42,
            zone="water",
            wears_colours=False,
        ),
        Activity(
            name="swimming",
            sprites=_both("1f3ca"),
            phrases=("swimming", "taking a swim", "going for a swim"),
            places=frozenset({"beach", "lake"}),
            size=0.34,
            zone="water",
            wears_colours=False,
        ),
        Activity(
            name="juggling",
            sprites=_both("1f939"),
            phrases=("juggling", "juggling balls", "tossing balls in the air"),
            places=frozenset({"park", "street", "city", "living room"}),
            size=0.5,
        ),
        Activity(
            name="yoga",
            sprites=_both("1f9d8"),
            phrases=("doing yoga", "sitting cross legged", "meditating", "practicing yoga"),
            places=ROOMS | {"park", "beach", "lake"},
            size=0.44,
        ),
        Activity(
            name="cartwheel",
            sprites=_both("1f938"),
            phrases=("doing a cartwheel", "turning a cartwheel", "doing gymnastics"),
            places=frozenset({"park", "beach", "field"}),
            size=0.48,
        ),
        Activity(
            name="weights",
            sprites=_both("1f3cb-fe0f"),
            phrases=("lifting weights", "lifting a barbell", "holding up a barbell"),
            places=frozenset({"park", "living room", "bedroom"}),
            size=0.5,
        ),
    )
}

PEOPLE: dict[str, tuple[tuple[str, str], ...]] = {
    "man": (("man", "men"), ("guy", "guys"), ("person", "people")),
    "woman": (("woman", "women"), ("lady", "ladies"), ("person", "people")),
    "person": (("person", "people"), ("person", "people")),
}

COLOURS: dict[str, float] = {"red": 0.98, "yellow": 0.13, "green": 0.36, "blue": 0.59, "purple": 0.77}
"""Hue, 0..1, that a tintable sprite is turned to."""

CLOTHES = ("red", "green", "blue", "purple")
"""Colours of what people wear: those of `COLOURS` that are not the colour of the sprites' skin."""

LABELS: tuple[str, ...] = ("person", *THINGS)
"""The detector's classes, in their order."""

PROMPTS = ("a {}", "a picture of a {}", "a photo of a {}")
"""Texts that only name a thing, to classify pictures with (Radford et al. 2021, section 3.1.4)."""
