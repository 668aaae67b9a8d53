"""The words for every value. Enters: nothing. Leaves: tables of synonyms, a line of them a value."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from models.pocket.scenes.attributes import Colour, Motion, Place, Thing, TimeOfDay, Weather

if TYPE_CHECKING:
    from collections.abc import Mapping

    Words = tuple[str, ...]


def _split(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split("|"))


NOUNS: Mapping[Thing, Words] = MappingProxyType(
    {
        Thing.BALL: _split("ball|ball|ball|beach ball|toy ball|rubber ball|striped ball|ball of yarn|bouncing ball"),
        Thing.BALLOON: _split("balloon|balloon|balloon|party balloon|toy balloon|air balloon|balloon on a string"),
        Thing.BUTTERFLY: _split("butterfly|butterfly|butterfly|moth|fluttering butterfly|winged insect"),
        Thing.BIRD: _split("bird|bird|bird|songbird|little bird|sparrow|robin|parrot|flapping bird"),
        Thing.FISH: _split("fish|fish|fish|goldfish|toy fish|little fish|striped fish|swimming fish"),
        Thing.MOUSE: _split("mouse|mouse|mouse|toy mouse|little mouse|mouse with big ears|house mouse"),
        Thing.FLOWER: _split("flower|flower|flower|blossom|daisy|bloom|flower with six petals"),
        Thing.CAR: _split("toy car|toy car|car|car|little car|automobile|model car|toy automobile"),
    }
)

TONES: Mapping[Colour, Words] = MappingProxyType(
    {
        Colour.RED: _split("red|red|red|red|crimson|scarlet|bright red|ruby|cherry red|deep red"),
        Colour.ORANGE: _split("orange|orange|orange|orange|tangerine|bright orange|pumpkin orange|amber orange"),
        Colour.YELLOW: _split(
            "yellow|yellow|yellow|yellow|lemon yellow|bright yellow|canary yellow|sunny yellow|golden yellow"
        ),
        Colour.GREEN: _split("green|green|green|green|emerald|bright green|leaf green|lime green|emerald green"),
        Colour.BLUE: _split("blue|blue|blue|blue|azure|royal blue|bright blue|cobalt blue|sapphire"),
        Colour.PURPLE: _split("purple|purple|purple|purple|violet|lilac|lavender|plum|bright purple"),
        Colour.WHITE: _split("white|white|white|white|snow-white|pure white|ivory|pale white|bright white"),
    }
)

#: Where: adverbials.
WHERE: Mapping[Place, Words] = MappingProxyType(
    {
        Place.ROOM: _split(
            "in a living room|in a room|on the wooden floor|in the house|across the wooden floor|"
            "in a room with a big window|between table legs|indoors|on the floor of a living room|in the parlour|"
            "in the kitchen|under the table|at home"
        ),
        Place.FIELDS: _split(
            "high above the fields|over a patchwork of fields|above the countryside|high over green fields|"
            "far above the farmland|in the air above hedges and fields|over the fields|"
            "high in the sky above the land|above a village with red roofs|over a river and fields|"
            "high above the landscape"
        ),
        Place.WATER: _split(
            "under water|underwater|in a pond|in the green water|among water plants|in a fish tank|"
            "beneath the surface|over the pebbles of a pond|in an aquarium|in a lake|"
            "below the surface of the water|among pebbles and water weeds"
        ),
        Place.MEADOW: _split(
            "in a meadow|among enormous grass blades|between tall grass stems|in the grass|"
            "in a meadow like a forest of grass|down in the grass|on the ground between blades of grass|"
            "in the tall grass|on a lawn seen from below|among giant grass"
        ),
        Place.STREET: _split(
            "in a street|on the pavement|in the town|along the houses|on a street with lampposts|in the city|"
            "on the sidewalk|between houses|down the road|in a street with houses and lampposts|in an old town|"
            "in the village street"
        ),
        Place.GARDEN: _split(
            "in a garden|among giant flowers|in a flower garden|between blossoms|in a garden in full flower|"
            "among the flower heads|in the flower bed|among petals|in a blooming garden|"
            "from blossom to blossom in a garden"
        ),
        Place.FOREST: _split(
            "in a forest|in the woods|between tree trunks|among the trees|in a deep forest|in the wood|"
            "on a forest path|between tall trees|through the forest|in a clearing of the forest|among tall trunks"
        ),
        Place.COT: _split(
            "above the cot|in the nursery|over the crib|in a cot|under a mobile|above the cradle|"
            "beneath the nursery ceiling|over the bars of the cot|below a mobile of stars|above the baby's bed|"
            "in the baby's room"
        ),
    }
)

#: Who looks.
VIEWERS: Mapping[Place, Words] = MappingProxyType(
    {
        Place.ROOM: _split("a cat|a cat|a curious cat|a kitten|a house cat|the cat|a prowling cat|a tabby cat"),
        Place.FIELDS: _split(
            "a hawk|a hawk|a watchful hawk|an eagle|a falcon|a bird of prey|the hawk|a buzzard|a soaring hawk"
        ),
        Place.WATER: _split(
            "a goldfish|a goldfish|a fish|a carp|a drifting goldfish|the goldfish|a trout|a swimming fish"
        ),
        Place.MEADOW: _split(
            "an ant|an ant|a garden ant|a tiny ant|the ant|a beetle|a crawling ant|a small insect on the ground"
        ),
        Place.STREET: _split("a dog|a dog|a loyal dog|a puppy|the dog|a happy dog|a hound|a terrier"),
        Place.GARDEN: _split("a bee|a bee|a busy bee|a honeybee|the bee|a bumblebee|a buzzing bee"),
        Place.FOREST: _split("an owl|an owl|a night owl|the owl|a barn owl|a silent owl|a tawny owl"),
        Place.COT: _split(
            "a baby|a newborn|a newborn child|an infant|the baby|a small child|a baby lying in a cot|a newborn baby"
        ),
    }
)

#: When: adverbials, then keywords.
WHEN: Mapping[TimeOfDay, Words] = MappingProxyType(
    {
        TimeOfDay.MORNING: _split(
            "in the morning|in the early morning|at dawn|at sunrise|at daybreak|in pink morning light|"
            "on a spring morning|as the sun rises|in the soft light of the morning|at first light|"
            "in the pale gold of the morning"
        ),
        TimeOfDay.DAY: _split(
            "at noon|during the day|in broad daylight|in bright daylight|at midday|in the middle of the day|by day|"
            "in the daytime|in the afternoon|in bright light|in full daylight"
        ),
        TimeOfDay.EVENING: _split(
            "in the evening|at dusk|at sunset|in the golden hour|in orange evening light|as the sun sets|"
            "in the late evening sun|at sundown|in the glow of the setting sun|in warm low sunlight|"
            "in the last light"
        ),
        TimeOfDay.NIGHT: _split(
            "at night|in the night|in the moonlight|under the moon|in the dark|at midnight|after dark|"
            "on a moonlit night|under the stars|late at night|in the dark of the night"
        ),
    }
)
HOURS: Mapping[TimeOfDay, Words] = MappingProxyType(
    {
        TimeOfDay.MORNING: _split("morning|dawn|sunrise|early morning|morning light|daybreak"),
        TimeOfDay.DAY: _split("day|noon|daylight|midday|daytime|bright day"),
        TimeOfDay.EVENING: _split("evening|dusk|sunset|golden hour|evening light|sundown|twilight"),
        TimeOfDay.NIGHT: _split("night|midnight|moonlight|moonlit|dark night|night time"),
    }
)

#: Weather: adverbials, then keywords.
OUTSIDE: Mapping[Weather, Words] = MappingProxyType(
    {
        Weather.CLEAR: _split(
            "under a clear sky|in clear weather|in fine weather|under a cloudless sky|in dry weather|"
            "with a cloudless sky|in clear air|in good weather|under an open sky"
        ),
        Weather.RAIN: _split(
            "in the rain|in heavy rain|while it rains|in a downpour|in a drizzle|in rainy weather|"
            "in a thunderstorm|in a rain shower|with rain falling|in pouring rain|in wet weather|in a rainstorm"
        ),
        Weather.SNOW: _split(
            "in the snow|while it snows|in falling snow|in a snowfall|in winter snow|with snowflakes falling|"
            "in the first snow|in a snowstorm|in a flurry of snow|in snowy weather|with white snow all around"
        ),
        Weather.FOG: _split(
            "in the fog|in thick fog|in the mist|in autumn mist|in a white haze|in a veil of fog|wrapped in fog|"
            "in dense fog|in misty air|with mist all around|in foggy weather"
        ),
    }
)
SKIES: Mapping[Weather, Words] = MappingProxyType(
    {
        Weather.CLEAR: _split("clear|clear sky|fine weather|clear weather|cloudless"),
        Weather.RAIN: _split("rain|rainy|downpour|drizzle|storm|heavy rain|thunderstorm"),
        Weather.SNOW: _split("snow|snowy|snowfall|snowing|winter|snowflakes"),
        Weather.FOG: _split("fog|foggy|mist|misty|haze|thick fog"),
    }
)

#: How the viewer moves: clauses, then keywords.
MOVES: Mapping[Motion, Words] = MappingProxyType(
    {
        Motion.WALK: _split(
            "walking forward|walking slowly|trotting along|strolling along|prowling ahead step by step|"
            "stepping forward|walking along the ground|marching on|padding along|on a walk|bobbing with every step|"
            "trotting happily"
        ),
        Motion.GLIDE: _split(
            "gliding forward|gliding along|drifting forward smoothly|sliding ahead|floating ahead|"
            "moving smoothly ahead|soaring along|drifting slowly|gliding silently|gliding on still wings|"
            "sailing forward"
        ),
        Motion.TURN: _split(
            "turning around|turning its head|looking around|looking to the side|turning on the spot|turning slowly|"
            "with the view swinging round|panning across|glancing around|rotating in place|turning to look"
        ),
        Motion.CHASE: _split(
            "chasing it|in a wild chase|racing after it|hunting it|running after it|in pursuit|"
            "pursuing it in a zigzag|following it fast|in a fast chase|darting after it|hurrying after it|"
            "rushing behind it"
        ),
        Motion.HOVER: _split(
            "hovering in place|hovering|staying in one spot|swaying gently up and down|floating on the spot|"
            "hanging still in the air|hardly moving|bobbing in place|gently rising and sinking|holding still|"
            "with gentle movement|lingering in one place"
        ),
    }
)
GAITS: Mapping[Motion, Words] = MappingProxyType(
    {
        Motion.WALK: _split("walking|walk|trotting|strolling|steps"),
        Motion.GLIDE: _split("gliding|glide|drifting|soaring|floating forward"),
        Motion.TURN: _split("turning|looking around|turn|panning|rotating view"),
        Motion.CHASE: _split("chase|chasing|pursuit|hunt|racing"),
        Motion.HOVER: _split("hovering|hover|swaying|floating in place|still"),
    }
)

#: What the thing does by itself.
ACTS: Mapping[Thing, Words] = MappingProxyType(
    {
        Thing.BALL: _split("rolling|rolling along|spinning|bouncing"),
        Thing.BALLOON: _split("on its string|in the air|tugging at its string|full of air"),
        Thing.BUTTERFLY: _split("fluttering|flapping its wings|dancing in the air|on open wings"),
        Thing.BIRD: _split("flapping its wings|flying|fluttering|singing"),
        Thing.FISH: _split("swimming|wriggling|waving its tail|swimming by"),
        Thing.MOUSE: _split("scurrying|squeaking|scampering|sniffing"),
        Thing.FLOWER: _split("nodding|blooming|in bloom|on its stem"),
        Thing.CAR: _split("driving|driving along|on its wheels|rattling along"),
    }
)

#: Words that mean nothing for the picture.
SIZES = _split(
    "small|little|lovely|shiny|funny|old|new|single|favourite|strange|beautiful|cute|plain|lonely|pretty|tiny|big|"
    "friendly"
)
STYLES = _split(
    "cheerful|soft|dreamy|peaceful|cinematic|beautiful|playful|a short film|storybook style|quiet|very calm|"
    "whimsical|a memory|low-poly|toy world|for Anna|once upon a time|please|animation|high quality|detailed|"
    "a happy moment|my favourite|video|smooth colours|simple shapes|like a dream|wonderful|slow|lively|a story|"
    "Tom and Mia like it|4k"
)
