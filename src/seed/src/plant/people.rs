//! Shifts, staff, products and customers.

use super::base::{CREATED_AT, days_before_base, factory_id, line_id, random, site, with_turbines};
use super::kinds::LINES;
use super::layout::Layout;
use super::load::{Row, Table};
use super::turbines;
use super::words::{CUSTOMERS, FIRST_NAMES, LAST_NAMES, PRODUCTS};
use rand::RngExt;

pub(super) fn tables(layout: Layout) -> Vec<Table<'static>> {
    vec![shifts(layout), employees(layout), products(layout), customers(layout)]
}

/// Code, name, start, end, type; local time of the factory. The last one ends on the next day.
const SHIFTS: [(&str, &str, &str, &str, &str); 3] = [
    ("A", "Early shift", "06:00", "14:00", "day"),
    ("B", "Late shift", "14:00", "22:00", "evening"),
    ("C", "Night shift", "22:00", "06:00", "night"),
];

fn shifts(layout: Layout) -> Table<'static> {
    const COLUMNS: &[&str] = &[
        "shift_id",
        "factory_id",
        "shift_name",
        "shift_code",
        "start_time",
        "end_time",
        "duration_hours",
        "shift_type",
        "break_duration_minutes",
        "days_of_week",
        "status",
        "created_at",
    ];
    let own = |number: u64, row: &mut Row<'_>| {
        let factory = number / SHIFTS.len() as u64;
        let (code, name, start, end, kind) = SHIFTS[(number % SHIFTS.len() as u64) as usize];
        row.text(&format!("SHF-{:02}-{code}", factory + 1)).text(&factory_id(factory)).text(name).text(code);
        row.text(start).text(end).decimal(8.0, 2).text(kind).value(30);
        row.text("Mon,Tue,Wed,Thu,Fri,Sat,Sun").text("active").text(CREATED_AT);
    };
    // The wind farm is watched from a control room in two shifts.
    let control_room = |number: u64, row: &mut Row<'_>| {
        let (code, name, start, end, kind) = [
            ("D", "Control room day", "07:00", "19:00", "day"),
            ("N", "Control room night", "19:00", "07:00", "night"),
        ][(number % 2) as usize];
        row.text(&format!("SHF-LHB-{code}")).text(turbines::FACTORY_ID).text(name).text(code).text(start).text(end);
        row.decimal(12.0, 2).text(kind).value(60).text("Mon,Tue,Wed,Thu,Fri,Sat,Sun").text("active").text(CREATED_AT);
    };
    with_turbines("shifts", COLUMNS, u64::from(layout.size.factories) * 3, 2, own, control_room)
}

/// Who works on each line: a supervisor by day, and in every shift two operators and a technician.
const LINE_STAFF: [(&str, &str, &str); 10] = [
    ("Line supervisor", "Production", "A"),
    ("Machine operator", "Production", "A"),
    ("Machine operator", "Production", "A"),
    ("Maintenance technician", "Maintenance", "A"),
    ("Machine operator", "Production", "B"),
    ("Machine operator", "Production", "B"),
    ("Maintenance technician", "Maintenance", "B"),
    ("Machine operator", "Production", "C"),
    ("Machine operator", "Production", "C"),
    ("Maintenance technician", "Maintenance", "C"),
];

/// Who works for each factory as a whole.
const FACTORY_STAFF: [(&str, &str, &str); 5] = [
    ("Plant manager", "Management", "A"),
    ("Quality engineer", "Quality", "A"),
    ("Quality inspector", "Quality", "B"),
    ("Process engineer", "Engineering", "A"),
    ("Logistics planner", "Logistics", "A"),
];

/// Who keeps the books, buys, sells and looks after the people of each factory; they belong to departments of the group. Behind all
/// others, so that those keep their numbers.
const OFFICE_STAFF: [(&str, &str, &str); 7] = [
    ("Controller", "Finance", "A"),
    ("Accountant", "Finance", "A"),
    ("Purchasing manager", "Procurement", "A"),
    ("Buyer", "Procurement", "A"),
    ("Sales manager", "Sales", "A"),
    ("Sales engineer", "Sales", "A"),
    ("HR business partner", "Human Resources", "A"),
];

/// The factory, the line if there is one, and what the employee of this number does there.
fn seat(layout: Layout, number: u64) -> (u64, Option<u64>, (&'static str, &'static str, &'static str)) {
    let on_lines = u64::from(layout.size.lines) * LINE_STAFF.len() as u64;
    let of_factories = u64::from(layout.size.factories) * FACTORY_STAFF.len() as u64;
    let of = |staff: &[(&'static str, &'static str, &'static str)], number: u64| {
        (number / staff.len() as u64, staff[(number % staff.len() as u64) as usize])
    };
    if number < on_lines {
        let (line, staff) = of(&LINE_STAFF, number);
        return (layout.factory_of_line(line), Some(line), staff);
    }
    let number = number - on_lines;
    let (factory, staff) =
        if number < of_factories { of(&FACTORY_STAFF, number) } else { of(&OFFICE_STAFF, number - of_factories) };
    (factory, None, staff)
}

fn employees(layout: Layout) -> Table<'static> {
    const COLUMNS: &[&str] = &[
        "employee_id",
        "factory_id",
        "line_id",
        "employee_code",
        "first_name",
        "last_name",
        "email",
        "phone",
        "role",
        "department",
        "skill_level",
        "shift",
        "hire_date",
        "experience_years",
        "certifications",
        "status",
        "created_at",
    ];
    let in_factory = (FACTORY_STAFF.len() + OFFICE_STAFF.len()) as u64;
    let rows = u64::from(layout.size.lines) * LINE_STAFF.len() as u64 + u64::from(layout.size.factories) * in_factory;
    let own = move |number: u64, row: &mut Row<'_>| {
        let (factory, line, (role, department, shift)) = seat(layout, number);
        let mut random = random(layout.size.seed, 5, number);
        let (first, last) = (
            FIRST_NAMES[random.random_range(0..FIRST_NAMES.len())],
            LAST_NAMES[random.random_range(0..LAST_NAMES.len())],
        );
        let hired_days = random.random_range(60..9_000_u64);
        let experience = hired_days as f64 / 365.25 + random.random_range(0.0..6.0);
        row.value(format_args!("EMP-{:05}", number + 1)).text(&factory_id(factory));
        match line {
            Some(line) => row.text(&line_id(line)),
            None => row.empty(),
        };
        row.value(format_args!("{:05}", 10_001 + number)).text(first).text(last);
        row.text(&format!("{}.{}.{}@genims.example", first.to_lowercase(), last.to_lowercase(), number + 1));
        row.text(&format!("{} 555 {:04}", site(factory).dial, number % 10_000)).text(role).text(department);
        row.text(match experience as u32 {
            0..=1 => "trainee",
            2..=7 => "skilled",
            8..=15 => "senior",
            _ => "expert",
        });
        row.text(shift).value(days_before_base(hired_days)).decimal(experience, 2);
        row.text(match department {
            "Maintenance" => "Electrical safety, Lockout-tagout",
            "Quality" => "Measurement system analysis",
            _ => "First aid, Occupational safety",
        });
        row.text("active").text(CREATED_AT);
    };
    let control_room = move |number: u64, row: &mut Row<'_>| {
        let shift = ["D", "D", "N"][(number % 3) as usize];
        row.value(format_args!("EMP-LHB-{}", number + 1)).text(turbines::FACTORY_ID).text(turbines::LINE_ID);
        row.value(format_args!("LHB{}", number + 1)).empty().empty().empty().empty().text("Control room operator");
        row.text("Operations").text("senior").text(shift).empty().empty().empty().text("active").text(CREATED_AT);
    };
    with_turbines("employees", COLUMNS, rows, 3, own, control_room)
}

fn products(layout: Layout) -> Table<'static> {
    const COLUMNS: &[&str] = &[
        "product_id",
        "product_code",
        "product_name",
        "product_category",
        "product_type",
        "description",
        "bill_of_material_complexity",
        "number_of_components",
        "standard_cycle_time_seconds",
        "target_quality_ppm",
        "unit_weight_kg",
        "material_type",
        "status",
        "created_at",
    ];
    let own = move |number: u64, row: &mut Row<'_>| {
        let mut random = random(layout.size.seed, 6, number);
        let (line, product) = ((number / 4) as usize % LINES.len(), (number % 4) as usize);
        let (name, kind, material, weight_kg, components, cycle_seconds) = PRODUCTS[line][product];
        let code = name.rsplit(' ').next().unwrap_or(name);
        row.value(format_args!("PRD-{:04}", number + 1)).text(code).text(name).text(LINES[line].category).text(kind);
        row.text(&format!("{name}, {kind}, made of {material}"));
        row.text(match components {
            0..=9 => "low",
            10..=49 => "medium",
            _ => "high",
        });
        row.value(components).value(cycle_seconds).value(random.random_range(1..20) * 25);
        row.decimal(weight_kg, 3).text(material).text("active").text(CREATED_AT);
    };
    let rows = (LINES.len() * 4) as u64;
    Table { name: "products", columns: COLUMNS, rows, write: Box::new(own) }
}

fn customers(layout: Layout) -> Table<'static> {
    const COLUMNS: &[&str] = &[
        "customer_id",
        "customer_code",
        "customer_name",
        "customer_type",
        "country",
        "region",
        "industry_segment",
        "annual_volume_estimate",
        "quality_rating",
        "payment_terms_days",
        "sla_on_time_delivery_percentage",
        "sla_quality_ppm_max",
        "status",
        "created_at",
    ];
    let own = move |number: u64, row: &mut Row<'_>| {
        let mut random = random(layout.size.seed, 7, number);
        let (name, kind, country, region, industry) = CUSTOMERS[number as usize % CUSTOMERS.len()];
        row.value(format_args!("CUS-{:04}", number + 1)).value(format_args!("{}", 40_001 + number)).text(name);
        row.text(kind).text(country).text(region).text(industry).value(random.random_range(2..120) * 1_000);
        row.text(["A", "A", "B", "C"][random.random_range(0..4)]);
        row.value([30, 45, 60, 90][random.random_range(0..4)]).decimal(random.random_range(94.0..99.0), 2);
        row.value(random.random_range(1..12) * 50).text("active").text(CREATED_AT);
    };
    Table { name: "customers", columns: COLUMNS, rows: CUSTOMERS.len() as u64, write: Box::new(own) }
}
