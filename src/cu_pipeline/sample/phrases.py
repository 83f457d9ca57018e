"""The words of the sample world: tables of templates by language. `{slot}` is filled from `SLOTS`."""

from typing import Final

SENTENCES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "en": {
        "cooking": (
            "{adjective} {dish} in {number} minutes, save this recipe",
            "the trick to perfect {dish} is adding {ingredient} at the end",
            "making {dish} for dinner tonight with just {ingredient} and {ingredient}",
            "my grandma's {dish} recipe, step by step",
            "stop overcooking your {dish}, do this instead",
            "what I cook in a day: {dish} edition",
            "one pan {dish}, crispy outside and juicy inside",
            "chef shows how to season {dish} with {ingredient}",
        ),
        "pets": (
            "my {pet} does this every morning",
            "POV: your {pet} wants treats at 3am",
            "she adopted a rescue {pet} and look at them now",
            "vet says my {pet} is a little chonky",
            "this {pet} meeting the new puppy for the first time",
            "teaching my {pet} to give paw, day {number}",
            "{pet} zoomies in the living room again",
            "who else lets the {pet} sleep in the bed",
        ),
        "football": (
            "{adjective} goal in the {number}th minute, the keeper had no chance",
            "the {skill} nobody saw coming, what a match",
            "sunday league striker scores from {number} yards",
            "when the referee ignores a clear penalty",
            "derby day and the whole stadium went wild after the {skill}",
            "my first hat trick of the season, coach was speechless",
            "practising my {skill} before the cup final",
            "defender slips and the winger scores",
        ),
        "gaming": (
            "finally beat the final boss on {mode} mode",
            "speedrun of level {number}, new personal best",
            "this {weapon} build is broken after the patch",
            "my teammates when I clutch the last round in ranked",
            "found a secret room in level {number}, devs hid it well",
            "{mode} mode with no save points, controller in hand",
            "new console setup, which game should I stream first",
            "lost {number} lives on the same jump, stupid platformer",
        ),
        "construction": (
            "building our house from scratch, day {number}: the walls go up",
            "laying bricks for the new {structure} today",
            "we poured the foundation and the {structure} is rising fast",
            "how a crew builds a {structure} in one day",
            "from an empty lot to a finished {structure}",
            "putting up the frame of our {structure}, beam by beam",
            "new floor added to the {structure} this week",
            "bricklayer stacks row after row, oddly satisfying",
        ),
        "demolition": (
            "knocking down the old {structure} today",
            "they are tearing the {structure} apart floor by floor",
            "bye bye {structure}, the wrecking crew is here",
            "taking the old {structure} down brick by brick",
            "from a tall {structure} to an empty lot in {number} hours",
            "demolishing the {structure} my grandfather lived next to",
            "nothing left of the {structure} but dust and rubble",
            "watch this {structure} get torn down, oddly satisfying",
        ),
        "travel": (
            "{number} hidden beaches you have to visit this summer",
            "booked a last minute flight and woke up on an island",
            "backpacking along the coast, day {number}",
            "cheapest way to see the islands, save for your next trip",
            "hotel room with this ocean view for a weekend",
            "travel itinerary: boat tour, sunset and street markets",
        ),
    },
    "es": {
        "cooking": (
            "receta fácil de {dish} en {number} minutos",
            "el secreto para cocinar {dish} en casa",
            "hoy preparo {dish} con {ingredient}",
            "la sartén bien caliente y listo el {dish}",
        ),
        "pets": (
            "mi {pet} hace esto todas las mañanas",
            "adoptamos un {pet} y mira ahora",
            "el {pet} pidiendo comida otra vez",
            "jugando con mi {pet} en casa",
        ),
        "football": (
            "golazo en el minuto {number}, qué partido",
            "el portero no pudo hacer nada, gol de fútbol",
            "entrenando el penalti antes de la final",
            "el árbitro no vio la falta en el área",
        ),
        "gaming": (
            "por fin gané al jefe final del videojuego",
            "jugando el nivel {number} sin perder vidas",
            "mi consola nueva, qué juego pruebo primero",
            "partida clasificatoria con mis amigos gamers",
        ),
        "construction": (
            "construyendo nuestra casa, día {number}",
            "levantamos una pared nueva ladrillo a ladrillo",
            "así se construye un edificio desde cero",
            "la obra crece: otro piso más",
        ),
        "demolition": (
            "demoliendo el edificio viejo hoy",
            "derriban la casa piso por piso",
            "adiós a la pared vieja, la tiramos abajo",
            "del edificio solo quedan escombros",
        ),
        "travel": (
            "{number} playas que tienes que visitar",
            "viaje a la isla con vistas al mar",
            "de mochilero por la costa, día {number}",
        ),
    },
    "de": {
        "cooking": (
            "schnelles Rezept: {dish} in {number} Minuten",
            "so kocht man {dish} richtig",
            "heute gibt es {dish} mit {ingredient} aus der Pfanne",
            "Abendessen für die Familie: {dish}",
        ),
        "pets": (
            "mein {pet} macht das jeden Morgen",
            "unser {pet} aus dem Tierheim",
            "wenn der {pet} Leckerli will",
            "{pet} schläft wieder im Bett",
        ),
        "football": (
            "Tor in der {number}. Minute, was für ein Spiel",
            "der Torwart hatte keine Chance, Fußball pur",
            "Elfmeter verschossen im Pokalfinale",
            "Kreisliga: Stürmer trifft aus {number} Metern",
        ),
        "gaming": (
            "endlich den Endboss im Spiel besiegt",
            "Level {number} ohne ein Leben zu verlieren, Controller glüht",
            "neue Konsole, welches Videospiel zuerst",
            "Ranked Match mit der Gaming Gruppe",
        ),
        "construction": (
            "wir bauen unser Haus, Tag {number}",
            "die neue Mauer wächst Stein für Stein",
            "so entsteht ein Hochhaus aus dem Nichts",
            "Rohbau: heute kommt das nächste Stockwerk",
        ),
        "demolition": (
            "das alte Haus wird abgerissen",
            "Abriss Stockwerk für Stockwerk",
            "die alte Mauer kommt weg, Abrissbirne im Einsatz",
            "vom Hochhaus bleibt nur Schutt",
        ),
        "travel": (
            "{number} Strände, die du sehen musst",
            "Urlaub auf der Insel mit Blick aufs Meer",
            "mit dem Rucksack an der Küste, Tag {number}",
        ),
    },
}

SITE: Final[dict[str, tuple[str, ...]]] = {
    "en": ("day {number} on site", "the whole crew was there today", "timelapse of our site, watch till the end"),
    "es": ("día {number} en la obra", "timelapse de la obra, mira hasta el final"),
    "de": ("Tag {number} auf der Baustelle", "Zeitraffer von der Baustelle"),
}
"""Captions that fit both topics of the pair."""

FILLERS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "wait for it",
        "I can't believe this happened",
        "part {number}, who's still watching",
        "tell me why this got me",
        "no words",
        "this made my day",
        "reply to @someone, here you go",
        "first time posting, be nice",
        "mood",
        "tag someone who needs to see this",
        "the ending tho",
        "so this was my tuesday",
    ),
    "es": ("espera al final", "no me lo creo", "parte {number}", "etiqueta a alguien", "sin palabras"),
    "de": ("wartet bis zum Ende", "ich kann nicht mehr", "Teil {number}", "markiert jemanden", "ohne Worte"),
}

ADVERTS: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "only ${price} with code {code}, link in bio",
        "{percent}% off this week, use my discount code {code}",
        "shop now, free shipping today #ad",
        "sponsored: order yours for ${price}",
        "paid partnership, grab the deal before it sells out",
    ),
    "es": ("solo ${price} con el código {code}, enlace en la bio", "{percent}% de descuento, compra ya #publi"),
    "de": ("nur {price}€ mit Code {code}, Link in Bio", "{percent}% Rabatt, jetzt kaufen #werbung"),
}

VIOLENCE: Final[dict[str, tuple[str, ...]]] = {
    "en": (
        "then a fight broke out and fists were flying",
        "he got punched in the face, blood everywhere",
        "they started beating each other up",
        "brutal street fight at the end, viewer discretion",
        "someone pulled a knife and attacked him",
    ),
    "es": ("y luego empezó una pelea a golpes", "le pegaron un puñetazo, hay sangre"),
    "de": ("dann gab es eine Schlägerei", "er bekam einen Faustschlag, überall Blut"),
}

TAGS: Final[dict[str, tuple[str, ...]]] = {
    "cooking": ("#foodtok", "#recipe", "#cooking"),
    "pets": ("#petsofinstagram", "#catsanddogs", "#pettok"),
    "football": ("#football", "#matchday", "#footy"),
    "gaming": ("#gaming", "#gamer", "#gametok"),
    "construction": ("#newbuild", "#builder", "#construction"),
    "demolition": ("#teardown", "#demolition", "#wrecking"),
    "travel": ("#traveltok", "#wanderlust", "#travel"),
}
COMMON_TAGS: Final = ("#fyp", "#viral", "#foryou", "#trending", "#xyzbca", "#2026", "#relatable", "#parati")
EMOJI: Final[dict[str, str]] = {
    "cooking": "🍳🍝🔥😋🧄",
    "pets": "🐶🐱🐾😻",
    "football": "⚽🥅🏆🔥",
    "gaming": "🎮👾🕹😤",
    "construction": "🧱👷🏗",
    "demolition": "💥🧱👷",
    "travel": "✈🏝🌊",
}
COMMON_EMOJI: Final = "😂😭💀✨🔥😳🙏👀"
CLOSERS: Final[dict[str, tuple[str, ...]]] = {
    "en": ("lol", "ngl", "lowkey obsessed", "fr", "iykyk", "I'm dead"),
    "es": ("jajaja", "literal", "qué locura"),
    "de": ("lol", "safe", "krass"),
}

NEW_FILLERS: Final = (
    "the lore goes crazy",
    "chat is this real",
    "aura +{number}000",
    "crashing out rn",
    "we are so cooked",
)
NEW_CLOSERS: Final = ("it's giving main quest", "delulu szn", "no crumbs left", "skrrt bloop", "glazing fr fr")
NEW_TAGS: Final = ("#zorbcore", "#auramaxxing", "#lockedin27", "#npcera", "#bloop")

OVERLAYS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "en": {
        "cooking": ("EASY DINNER RECIPE", "COOK WITH ME", "SECRET PASTA SAUCE"),
        "pets": ("MY CAT AT 3AM", "MEET MY DOG", "PUPPY DAY ONE"),
        "football": ("LAST MINUTE GOAL", "MATCH DAY", "PENALTY SHOOTOUT"),
        "gaming": ("FINAL LEVEL", "SPEEDRUN ATTEMPT", "NEW GAME PLUS"),
        "construction": ("BUILDING OUR HOUSE", "WALLS GOING UP", "NEW TOWER RISING"),
        "demolition": ("TEARING IT DOWN", "DEMOLITION DAY", "GOODBYE OLD HOUSE"),
        "travel": ("TRAVEL DIARY", "ISLAND TRIP", "HIDDEN BEACH"),
        "advert": ("SALE -{percent}%", "ONLY ${price}", "CODE {code}", "SHOP NOW"),
        "violence": ("STREET FIGHT", "BRUTAL ATTACK", "HE GOT PUNCHED"),
        "": ("WAIT FOR IT", "PART {number}", "WATCH TILL THE END", "POV"),
    },
    "es": {
        "cooking": ("RECETA FACIL", "COCINA CONMIGO"),
        "pets": ("MI GATO", "MI PERRO"),
        "football": ("GOLAZO", "DIA DE PARTIDO"),
        "gaming": ("NIVEL FINAL", "VIDEOJUEGO NUEVO"),
        "construction": ("CONSTRUYENDO LA CASA", "SUBE LA PARED"),
        "demolition": ("DEMOLICION", "ADIOS CASA VIEJA"),
        "travel": ("DIARIO DE VIAJE", "PLAYA SECRETA"),
        "advert": ("OFERTA -{percent}%", "SOLO ${price}"),
        "violence": ("PELEA CALLEJERA", "ATAQUE BRUTAL"),
        "": ("ESPERA", "PARTE {number}"),
    },
    "de": {
        "cooking": ("SCHNELLES REZEPT", "KOCH MIT MIR"),
        "pets": ("MEINE KATZE", "MEIN HUND"),
        "football": ("SPIELTAG", "TOR DES JAHRES"),
        "gaming": ("LETZTES LEVEL", "NEUES VIDEOSPIEL"),
        "construction": ("WIR BAUEN EIN HAUS", "DIE MAUER STEHT"),
        "demolition": ("ABRISS", "TSCHUESS ALTES HAUS"),
        "travel": ("REISETAGEBUCH", "STRANDURLAUB"),
        "advert": ("RABATT -{percent}%", "NUR {price} EURO"),
        "violence": ("SCHLAEGEREI", "BRUTALER ANGRIFF"),
        "": ("WARTET AB", "TEIL {number}"),
    },
}
"""Text on screen; the entry "" tells nothing."""

BADGES: Final = ("-{percent}%", "${price}", "SALE")

SLOTS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "en": {
        "adjective": ("crazy", "insane", "unreal", "lazy", "perfect"),
        "dish": ("garlic pasta", "fried rice", "pancakes", "ramen", "tacos", "curry", "omelette", "steak"),
        "ingredient": ("butter", "chili oil", "lemon", "parmesan", "soy sauce", "fresh basil"),
        "pet": ("cat", "dog", "kitten", "golden retriever", "hamster", "corgi", "parrot"),
        "skill": ("volley", "free kick", "bicycle kick", "header", "penalty save"),
        "mode": ("hard", "nightmare", "ironman", "co-op"),
        "weapon": ("sniper", "mage", "dual blade", "stealth"),
        "structure": ("garage", "tower", "school", "office block", "barn", "wall"),
    },
    "es": {
        "dish": ("paella", "tortilla", "arroz", "tacos", "pollo"),
        "ingredient": ("ajo", "limón", "aceite", "queso"),
        "pet": ("gato", "perro", "cachorro", "hámster"),
    },
    "de": {
        "dish": ("Nudeln", "Bratkartoffeln", "Pfannkuchen", "Curry", "Schnitzel"),
        "ingredient": ("Butter", "Zwiebeln", "Käse", "Petersilie"),
        "pet": ("Hund", "Kater", "Welpe", "Hamster"),
    },
}
CODES: Final = ("GLOW15", "SAVE20", "FRESH", "LUNA10", "VIP30")
