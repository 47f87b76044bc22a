//! Bars over time as SVG. Words stand around the picture, not in it, so that they keep their size on a phone.

use super::Html;
use crate::clock::Timestamp;
use crate::statistics::{By, Sums};

/// Height of the picture in its own units.
const HEIGHT: u64 = 100;
/// Width of a bar and the space beside it.
const BAR: usize = 8;
const STEP: usize = 10;

/// What is stacked, from the bottom up: a class, a word, and how many.
type Part = (&'static str, &'static str, fn(&Sums) -> u64);
const PARTS: [Part; 3] = [
    ("delivered", "delivered", |sums| sums.delivered),
    ("bounced", "bounced", |sums| sums.bounced),
    ("blocked", "blocked", |sums| sums.blocked),
];

/// Bars of what was delivered, bounced and blocked; a table beside it tells the same.
pub fn bars(by: By, buckets: &[(Timestamp, Sums)]) -> Html {
    let heights = buckets.iter().map(|(_, sums)| height(sums));
    let top = nice(heights.max().unwrap_or(0));
    let width = buckets.len() * STEP;
    let mut svg = String::new();
    for (place, (start, sums)) in buckets.iter().enumerate() {
        svg += &bar(by, place * STEP + 1, *start, sums, top);
    }
    let legend = PARTS.map(|(class, word, _)| format!("<li class=\"{class}\">{word}</li>"));
    let label = |place: usize| {
        let start = buckets.get(place).map(|(start, _)| *start);
        start.map_or_else(String::new, |start| bucket_label(&by, &start))
    };
    let (middle, last) = (buckets.len() / 2, buckets.len().saturating_sub(1));
    Html(format!(
        "<figure class=\"chart\"><ul class=\"legend\">{}</ul>\
         <div class=\"plot\"><span class=\"top\">{}</span>\
         <svg viewBox=\"0 0 {width} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">\
         <path class=\"grid\" d=\"M0 0H{width}M0 50H{width}M0 100H{width}\"/>{svg}</svg></div>\
         <div class=\"axis\" aria-hidden=\"true\"><span>{}</span><span>{}</span><span>{}</span></div></figure>",
        legend.concat(),
        grouped(top),
        "Bars of what was delivered, bounced and blocked; the table below tells the numbers",
        label(0),
        label(middle),
        label(last),
    ))
}

fn bar(by: By, x: usize, start: Timestamp, sums: &Sums, top: u64) -> String {
    let (mut bar, mut below) = (String::new(), 0);
    for (class, _, count) in PARTS {
        let count = count(sums);
        let (from, to) = (scaled(below, top), scaled(below + count, top));
        if count > 0 {
            // A thing that happened is seen, however small it is.
            let tall = (to - from).max(1);
            let y = HEIGHT.saturating_sub(from + tall);
            bar += &format!(
                "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{BAR}\" height=\"{tall}\"/>"
            );
        }
        below += count;
    }
    let parts = PARTS.map(|(_, word, count)| format!("{} {word}", grouped(count(sums))));
    let title = format!("{}: {}", bucket_label(&by, &start), parts.join(", "));
    // Something to point at over the whole height.
    format!(
        "<g><title>{title}</title><rect class=\"hit\" x=\"{}\" y=\"0\" width=\"{STEP}\" height=\"{HEIGHT}\"/>{bar}</g>",
        x - 1
    )
}

fn height(sums: &Sums) -> u64 {
    PARTS.iter().map(|(_, _, count)| count(sums)).sum()
}

fn scaled(count: u64, top: u64) -> u64 {
    (count.saturating_mul(HEIGHT) + top / 2) / top.max(1)
}

/// The next of 1, 2, 5, 10, 20, … that is not below.
fn nice(most: u64) -> u64 {
    let mut step = 1_u64;
    loop {
        for factor in [1, 2, 5] {
            let top = step.saturating_mul(factor);
            if top >= most.max(5) {
                return top;
            }
        }
        step = step.saturating_mul(10);
    }
}

/// When a bucket begins, as short as it is clear.
pub fn bucket_label(by: &By, start: &Timestamp) -> String {
    let text = start.to_whole_seconds();
    match by {
        By::Hour => text[11..16].to_owned(),
        By::Day | By::Week => text[..10].to_owned(),
        By::Month => text[..7].to_owned(),
    }
}

/// When an hour begins.
pub fn hour_label(start: &Timestamp) -> String {
    bucket_label(&By::Hour, start)
}

/// A number with commas between its thousands.
pub fn grouped(number: impl std::fmt::Display) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let shown = [0, 999, 1000, 1_234_567].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 6, 11, 2001].map(nice), [5, 10, 20, 5000]);
    }

    #[test]
    fn what_happened_once_is_seen_beside_what_happened_often() {
        let start = Timestamp::from_millis(1_800_000_000_000);
        let sums = Sums {
            delivered: 100_000,
            blocked: 1,
            ..Sums::default()
        };
        let chart = bars(By::Day, &[(start, sums)]).to_string();
        assert!(chart.contains("class=\"blocked\" x=\"1\""), "{chart}");
        assert!(chart.contains("2027-01-15: 100,000 delivered, 0 bounced, 1 blocked"));
        assert!(chart.contains(">200,000</span>"));
        bars(By::Hour, &[]);
    }
}
