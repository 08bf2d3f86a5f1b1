//! Names: sites, people, products, customers.

pub(super) struct FactorySite {
    pub name: &'static str,
    pub country: &'static str,
    pub city: &'static str,
    pub region: &'static str,
    /// IANA name.
    pub timezone: &'static str,
    pub area_sqm: i32,
    pub since: (i32, u32),
    pub kind: &'static str,
    pub certification: &'static str,
    /// Country calling code.
    pub dial: &'static str,
}

macro_rules! site {
    ($name:literal, $country:literal, $city:literal, $region:literal, $zone:literal, $area:literal, $since:expr, $kind:literal, $certification:literal, $dial:literal) => {
        FactorySite {
            name: $name,
            country: $country,
            city: $city,
            region: $region,
            timezone: $zone,
            area_sqm: $area,
            since: $since,
            kind: $kind,
            certification: $certification,
            dial: $dial,
        }
    };
}

#[rustfmt::skip]
pub(super) static SITES: [FactorySite; 8] = [
    site!("Esslingen Drive Works", "Germany", "Esslingen", "Baden-Württemberg", "Europe/Berlin", 84_000, (1987, 4), "powertrain", "IATF 16949, ISO 9001, ISO 14001, ISO 50001", "+49"),
    site!("Grand Rapids Assembly Plant", "United States", "Grand Rapids", "Michigan", "America/Detroit", 112_000, (1995, 9), "assembly", "IATF 16949, ISO 9001, ISO 14001, ISO 45001", "+1"),
    site!("Pune Precision Works", "India", "Pune", "Maharashtra", "Asia/Kolkata", 67_000, (2006, 2), "machining", "IATF 16949, ISO 9001", "+91"),
    site!("Suzhou Components Plant", "China", "Suzhou", "Jiangsu", "Asia/Shanghai", 95_000, (2011, 6), "components", "IATF 16949, ISO 9001, ISO 14001", "+86"),
    site!("Monterrey Stamping Plant", "Mexico", "Monterrey", "Nuevo León", "America/Monterrey", 73_000, (2009, 10), "stamping", "IATF 16949, ISO 9001", "+52"),
    site!("Győr Gear Works", "Hungary", "Győr", "Győr-Moson-Sopron", "Europe/Budapest", 58_000, (2001, 5), "machining", "ISO 9001, ISO 14001", "+36"),
    site!("Okazaki Mould and Tool Works", "Japan", "Okazaki", "Aichi", "Asia/Tokyo", 41_000, (1979, 11), "moulding", "ISO 9001, ISO 14001", "+81"),
    site!("Campinas Frame Works", "Brazil", "Campinas", "São Paulo", "America/Sao_Paulo", 63_000, (1998, 8), "welding", "IATF 16949, ISO 9001", "+55"),
];

pub(super) static FIRST_NAMES: [&str; 32] = [
    "Anna", "Bruno", "Chen", "Diego", "Elif", "Farid", "Grace", "Hiro", "Ines", "Jakub", "Kavya", "Liam", "Maria",
    "Nikhil", "Olga", "Pavel", "Qing", "Rosa", "Samir", "Tanja", "Usha", "Victor", "Wei", "Ximena", "Yusuf", "Zoe",
    "Arjun", "Beatriz", "Carl", "Dana", "Emeka", "Fatima",
];

pub(super) static LAST_NAMES: [&str; 32] = [
    "Almeida",
    "Bauer",
    "Castillo",
    "Deshmukh",
    "Eriksson",
    "Fischer",
    "Gupta",
    "Hernandez",
    "Ivanova",
    "Johnson",
    "Kovacs",
    "Li",
    "Martinez",
    "Nakamura",
    "Okafor",
    "Patel",
    "Quintero",
    "Rossi",
    "Schneider",
    "Tanaka",
    "Ueda",
    "Varga",
    "Williams",
    "Xu",
    "Yilmaz",
    "Zhang",
    "Andersen",
    "Brandt",
    "Costa",
    "Dubois",
    "Evans",
    "Fernandes",
];

/// Name, type, material, kilograms, components, cycle seconds.
pub(super) type Product = (&'static str, &'static str, &'static str, f64, i32, i32);

/// Four for each kind of line, in the order of the kinds.
#[rustfmt::skip]
pub(super) static PRODUCTS: [[Product; 4]; 8] = [
    [("Gearbox housing GH-200", "casting, machined", "EN AC-46000", 8.42, 6, 60), ("Pump housing PH-80", "casting, machined", "EN AC-43500", 3.15, 4, 45), ("Motor housing MH-160", "casting, machined", "EN AC-42100", 11.7, 9, 75), ("Valve body VB-32", "bar, machined", "EN AW-6082", 1.28, 3, 40)],
    [("Input shaft IS-28", "forging, machined", "20MnCr5", 1.94, 1, 40), ("Output shaft OS-35", "forging, machined", "18CrNiMo7-6", 3.62, 1, 52), ("Rotor shaft RS-22", "bar, machined", "42CrMo4", 1.12, 2, 36), ("Pinion shaft PS-18", "bar, machined", "16MnCr5", 0.87, 1, 34)],
    [("Door inner panel DP-4", "stamping", "DC04", 6.3, 1, 9), ("Side rail SR-2", "stamping", "HC420LA", 4.8, 1, 8), ("Floor panel FP-7", "stamping", "DC05", 9.1, 1, 10), ("Bracket BR-11", "stamping", "S420MC", 0.64, 1, 6)],
    [("Seat frame SF-3", "weldment", "S355MC", 12.4, 14, 75), ("Subframe SU-1", "weldment", "S500MC", 21.8, 22, 90), ("Battery tray BT-5", "weldment", "EN AW-6005A", 34.5, 31, 120), ("Axle carrier AC-9", "weldment", "S420MC", 17.2, 18, 85)],
    [("Sensor cover SC-12", "moulding", "PA66-GF30", 0.09, 1, 15), ("Fan shroud FS-4", "moulding", "PP-GF30", 1.35, 1, 32), ("Connector housing CH-24", "moulding", "PBT-GF30", 0.03, 1, 12), ("Cable duct CD-8", "moulding", "PA6", 0.42, 1, 20)],
    [("Axle drive unit AD-150", "assembly", "assembled", 78.0, 164, 90), ("Steering gear SG-45", "assembly", "assembled", 9.8, 87, 72), ("Coolant pump CP-12", "assembly", "assembled", 2.6, 38, 48), ("Actuator AT-6", "assembly", "assembled", 0.94, 46, 40)],
    [("Ring gear RG-64", "machined, hardened", "18CrNiMo7-6", 4.4, 1, 38), ("Sun gear SN-21", "machined, hardened", "20MnCr5", 0.76, 1, 28), ("Planet gear PG-17", "machined, hardened", "20MnCr5", 0.48, 1, 26), ("Bevel gear BG-39", "machined, hardened", "16MnCr5", 2.05, 1, 34)],
    [("Seal kit SK-100", "kit", "mixed", 0.35, 24, 14), ("Bearing kit BK-200", "kit", "mixed", 2.9, 11, 18), ("Service kit SV-300", "kit", "mixed", 1.7, 32, 22), ("Fastener kit FK-400", "kit", "mixed", 0.8, 60, 12)],
];

/// Name, type, country, region, industry.
#[rustfmt::skip]
pub(super) static CUSTOMERS: [(&str, &str, &str, &str, &str); 16] = [
    ("Nordwind Automotive AG", "OEM", "Germany", "EMEA", "automotive"),
    ("Lakeshore Motors Inc.", "OEM", "United States", "Americas", "automotive"),
    ("Bharat Vahan Ltd.", "OEM", "India", "APAC", "automotive"),
    ("Huadong Electric Vehicles Co.", "OEM", "China", "APAC", "automotive"),
    ("Sakura Construction Machines K.K.", "OEM", "Japan", "APAC", "construction"),
    ("Agraria Tractors S.p.A.", "OEM", "Italy", "EMEA", "agriculture"),
    ("Pampas Agro Equipamentos", "OEM", "Brazil", "Americas", "agriculture"),
    ("Tier One Axles GmbH", "tier 1", "Germany", "EMEA", "automotive"),
    ("Great Lakes Powertrain LLC", "tier 1", "United States", "Americas", "automotive"),
    ("Danube Brake Systems Kft.", "tier 1", "Hungary", "EMEA", "rail"),
    ("Fjord Marine Drives AS", "OEM", "Norway", "EMEA", "marine"),
    ("Maple Rail Corp.", "OEM", "Canada", "Americas", "rail"),
    ("Iberia Wind Components S.A.", "tier 1", "Spain", "EMEA", "energy"),
    ("Sahara Pumps SARL", "distributor", "Morocco", "EMEA", "water"),
    ("Pacific Spares Pty Ltd", "distributor", "Australia", "APAC", "aftermarket"),
    ("Andes Minería Servicios", "distributor", "Chile", "Americas", "mining"),
];
