"""Words that construction people use, for made-up records."""

from __future__ import annotations

PROJECTS = (
    ("Marlow Street Medical Center", "Sacramento", "CA"),
    ("Pier 9 Parking Structure", "Oakland", "CA"),
    ("Oakfield Elementary Modernization", "Fresno", "CA"),
    ("Harborview Apartments", "Long Beach", "CA"),
    ("Alder Creek Water Treatment Plant", "Redding", "CA"),
    ("Union Square Office Renovation", "San Francisco", "CA"),
    ("Tamarack Distribution Center", "Reno", "NV"),
    ("Westgate Transit Hub", "San Jose", "CA"),
    ("Juniper Hall Student Housing", "Davis", "CA"),
    ("Cascade County Courthouse", "Bend", "OR"),
    ("Lakeside Research Laboratory", "Livermore", "CA"),
    ("Copperfield Senior Living", "Boise", "ID"),
    ("Foothill Fire Station No. 7", "Auburn", "CA"),
    ("Mission Bay Data Hall", "San Francisco", "CA"),
    ("Granite Ridge High School Gymnasium", "Rocklin", "CA"),
    ("Riverbend Wastewater Expansion", "Stockton", "CA"),
)
FIRST_NAMES = (
    "Aaron", "Alicia", "Amara", "Ben", "Carla", "Dana", "Diego", "Elena", "Farid", "Grace", "Hannah", "Ines", "Jamal",
    "Joanna", "Kenji", "Lena", "Luis", "Marcus", "Mei", "Nadia", "Omar", "Priya", "Quinn", "Rosa", "Sanjay", "Tara",
    "Tom", "Uma", "Victor", "Wendy", "Yusuf", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Alvarez", "Bennett", "Castellanos", "Doyle", "Eriksen", "Ferreira", "Gallagher", "Hallberg", "Ibarra", "Jansen",
    "Kowalski", "Lindqvist", "Moreno", "Nadkarni", "Okafor", "Petrov", "Quintero", "Rasmussen", "Sato", "Thornton",
    "Underhill", "Vasquez", "Whitfield", "Yamamoto", "Zimmer", "O'Brien", "Müller", "Nguyen",
)  # fmt: skip
VENDOR_STEMS = (
    "Cascade", "Sierra", "Bay Area", "Pacific", "Redwood", "Summit", "Valley", "Northstar", "Golden State", "Ironwood",
    "Delta", "Keystone", "Blue Oak", "Granite", "Harbor", "Truckee", "Capitol", "Evergreen", "Mesa", "Tri-County",
)  # fmt: skip
VENDOR_KINDS = (
    ("Mechanical LLC", "HVAC"),
    ("Electric, Inc.", "Electrical"),
    ("Plumbing Co.", "Plumbing"),
    ("Concrete", "Concrete"),
    ("Steel Erectors", "Structural Steel"),
    ("Drywall & Framing", "Drywall"),
    ("Roofing", "Roofing"),
    ("Glazing Systems", "Glazing"),
    ("Earthworks", "Earthwork"),
    ("Fire Protection", "Fire Protection"),
    ("Painting", "Painting"),
    ("Masonry", "Masonry"),
    ("Elevator", "Elevators"),
    ("Flooring", "Flooring"),
    ("Engineers", "Engineering"),
    ("Architects", "Architecture"),
    ("Supply", "Materials"),
)
TRADES = tuple(sorted({trade for _, trade in VENDOR_KINDS}))
STAFF_TITLES = (
    "Project Manager", "Superintendent", "Project Engineer", "Assistant Superintendent", "Safety Manager",
    "Project Executive", "Scheduler", "Quality Manager",
)  # fmt: skip
TRADE_TITLES = ("Foreman", "Project Manager", "Estimator", "Detailer", "Principal", "Field Engineer", "Architect")
DIVISIONS = {
    "01": "General Requirements", "02": "Existing Conditions", "03": "Concrete", "04": "Masonry", "05": "Metals",
    "06": "Wood, Plastics, and Composites", "07": "Thermal and Moisture Protection", "08": "Openings", "09": "Finishes",
    "10": "Specialties", "14": "Conveying Equipment", "21": "Fire Suppression", "22": "Plumbing",
    "23": "Heating, Ventilating, and Air Conditioning", "26": "Electrical", "31": "Earthwork", "32": "Exterior Improvements",
    "33": "Utilities",
}  # fmt: skip
COST_CODES = (
    ("01-310", "Project Management"), ("01-510", "Temporary Utilities"), ("01-540", "Scaffolding and Hoisting"),
    ("01-740", "Final Cleaning"), ("02-410", "Demolition"), ("03-100", "Concrete Forming"), ("03-200", "Reinforcing Steel"),
    ("03-300", "Cast-in-Place Concrete"), ("03-450", "Precast Panels"), ("04-200", "Unit Masonry"),
    ("05-120", "Structural Steel"), ("05-310", "Metal Decking"), ("05-500", "Miscellaneous Metals"),
    ("06-100", "Rough Carpentry"), ("06-200", "Finish Carpentry"), ("07-130", "Waterproofing"), ("07-210", "Insulation"),
    ("07-500", "Membrane Roofing"), ("07-840", "Firestopping"), ("08-110", "Doors and Frames"), ("08-400", "Storefronts"),
    ("08-440", "Curtain Wall"), ("09-220", "Metal Framing"), ("09-290", "Gypsum Board"), ("09-300", "Tile"),
    ("09-510", "Acoustical Ceilings"), ("09-650", "Resilient Flooring"), ("09-900", "Painting"), ("10-140", "Signage"),
    ("10-280", "Toilet Accessories"), ("14-200", "Elevators"), ("21-130", "Fire Sprinklers"), ("22-100", "Domestic Water"),
    ("22-400", "Plumbing Fixtures"), ("23-090", "HVAC Controls"), ("23-310", "HVAC Ductwork"), ("23-700", "Air Handling Units"),
    ("26-050", "Electrical Rough-In"), ("26-240", "Switchgear"), ("26-510", "Interior Lighting"), ("31-100", "Site Clearing"),
    ("31-230", "Excavation and Fill"), ("32-120", "Asphalt Paving"), ("32-160", "Site Concrete"), ("32-900", "Landscaping"),
    ("33-100", "Water Utilities"), ("33-400", "Storm Drainage"),
)  # fmt: skip
ROOMS = (
    "Lobby",
    "Room 101",
    "Room 114",
    "Room 214",
    "Mechanical Room",
    "Electrical Room",
    "Corridor 2",
    "Stair 1",
    "Roof Deck",
)
SUBJECTS = (
    "Beam pocket elevation at grid {grid}", "Conflict between duct and sprinkler main at {room}", "Door hardware set at {room}",
    "Curtain wall anchor spacing at grid {grid}", "Slab depression not shown at {room}", "Fire rating of shaft wall at {room}",
    "Missing dimension on drawing {sheet}", "Light fixture substitution at {room}", "Waterproofing termination at grid {grid}",
    "Rebar congestion at grid {grid}", "Ceiling height at {room}", "Relocation of panel at {room}", "Paint colour at {room}",
    "Expansion joint cover at grid {grid}", "Underground utility conflict near grid {grid}",
)  # fmt: skip
PHRASES = (
    "See attached sketch.", "Verify in field before proceeding.", "Follow up with trade partner.", "Per drawing detail 4/A-501.",
    "Coordinate with the structural engineer of record.", "Owner requested change.", "Weather delay, resumed after lunch.",
    "Crew demobilised at 15:30; area left clean.", "Inspector on site, no comments.", "Delivered complete and undamaged.",
    'Naïve façade mock-up rejected — colour "too cold"; 5 µm coating to be resubmitted.',
)  # fmt: skip
DEPARTMENTS = (
    "Operations",
    "Estimating",
    "Safety",
    "Accounting",
    "Field",
    "Preconstruction",
    "Virtual Design",
    "Executive",
)
PERMISSION_TEMPLATES = (
    "Administrator", "Project Manager", "Superintendent", "Project Engineer", "Subcontractor", "Owner", "Architect", "Read Only",
)  # fmt: skip
EQUIPMENT = (
    "Tower Crane TC-{n}", "Scissor Lift SL-{n}", "Excavator EX-{n}", "Telehandler TH-{n}", "Boom Lift BL-{n}", "Skid Steer SS-{n}",
    "Generator GN-{n}", "Light Tower LT-{n}", "Roller RL-{n}",
)  # fmt: skip
PUNCH = (
    "Touch up paint at {room}", "Door closer out of adjustment at {room}", "Ceiling tile damaged at {room}",
    "Missing outlet cover at {room}", "Caulk joint incomplete at {room}", "Scratched glazing at grid {grid}",
    "Floor tile lippage at {room}", "Sprinkler escutcheon missing at {room}",
)  # fmt: skip
SUBMITTALS = ("Product Data", "Shop Drawings", "Samples", "Mix Design", "Calculations", "Closeout Manual", "Warranty")
UNITS = ("ea", "sf", "lf", "cy", "ls", "hrs", "tn")
EVENTS = (
    "Owner-directed finish upgrade", "Unforeseen rock at footing", "Added fire dampers", "Revised storefront layout",
    "Additional shoring", "Electrical service relocation", "Extended general conditions", "Escalation of steel price",
)  # fmt: skip
