//! A small SVG writer: short numbers, escaped text, a name and a description for screen readers.

use std::fmt::{Display, Write as _};

use super::{COLOURS, DARK_COLOURS, STYLE};

/// A picture being written, in user units of about a CSS pixel.
#[derive(Debug)]
pub(super) struct Svg {
    head: String,
    body: String,
}

/// A place on the picture: to the right and down, from the upper left corner.
pub(super) type Point = (f64, f64);

impl Svg {
    /// Starts a picture of `size` (width, height). `id` is unique on a page; `title` names what is
    /// seen and `description` tells it to who cannot see it.
    pub(super) fn new(id: &str, size: (f64, f64), title: &str, description: &str) -> Self {
        let (width, height) = (number(size.0), number(size.1));
        let head = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
            Escaped(title),
            Escaped(description),
        );
        let body = format!("<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>");
        Self { head, body }
    }

    /// The picture as a file that needs nothing around it. Its colours apply only where it is the
    /// whole document: inside a page the page's are taken.
    pub(super) fn standalone(self) -> String {
        format!(
            "{}<style>svg:root{{{COLOURS}}}@media(prefers-color-scheme:dark){{svg:root{{{DARK_COLOURS}}}}}\
             {STYLE}</style>{}</svg>\n",
            self.head, self.body
        )
    }

    /// The picture as a part of a page that has the style.
    pub(super) fn inline(self) -> String {
        format!("{}{}</svg>", self.head, self.body)
    }

    fn write(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.body.write_fmt(element);
    }

    pub(super) fn text(&mut self, at: Point, class: &str, text: &str) {
        let (x, y) = (number(at.0), number(at.1));
        self.write(format_args!(
            "<text x=\"{x}\" y=\"{y}\" class=\"{class}\">{}</text>",
            Escaped(text)
        ));
    }

    /// Text that is read from below upwards.
    pub(super) fn turned_text(&mut self, at: Point, class: &str, text: &str) {
        let (x, y) = (number(at.0), number(at.1));
        self.write(format_args!(
            "<text transform=\"translate({x} {y})rotate(-90)\" class=\"{class}\">{}</text>",
            Escaped(text)
        ));
    }

    pub(super) fn line(&mut self, from: Point, to: Point, class: &str) {
        self.path(&[from, to], class);
    }

    /// A polyline through `points`.
    pub(super) fn path(&mut self, points: &[Point], class: &str) {
        self.write(format_args!("<path class=\"{class}\" d=\"{}\"/>", path_data(points)));
    }

    /// A filled polygon.
    pub(super) fn area(&mut self, points: &[Point], class: &str) {
        self.write(format_args!("<path class=\"{class}\" d=\"{}Z\"/>", path_data(points)));
    }

    pub(super) fn circle(&mut self, centre: Point, radius: f64, class: &str) {
        let (x, y, r) = (number(centre.0), number(centre.1), number(radius));
        self.write(format_args!("<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" class=\"{class}\"/>"));
    }

    /// A rectangle from its upper left corner, with a hint that shows under the pointer.
    pub(super) fn rect(&mut self, corner: Point, size: (f64, f64), class: &str, hint: &str) {
        self.rect_with(corner, size, &format!("class=\"{class}\""), hint);
    }

    /// A rectangle whose colour depends on data: `opacity` of the colour of `class`.
    pub(super) fn shaded_rect(
        &mut self,
        corner: Point,
        size: (f64, f64),
        (class, opacity): (&str, f64),
        hint: &str,
    ) {
        let opacity = number(opacity);
        self.rect_with(
            corner,
            size,
            &format!("class=\"{class}\" fill-opacity=\"{opacity}\""),
            hint,
        );
    }

    fn rect_with(&mut self, corner: Point, size: (f64, f64), attributes: &str, hint: &str) {
        let (x, y, width, height) =
            (number(corner.0), number(corner.1), number(size.0.max(0.0)), number(size.1.max(0.0)));
        self.write(format_args!(
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {attributes}"
        ));
        if hint.is_empty() {
            self.write(format_args!("/>"));
        } else {
            self.write(format_args!("><title>{}</title></rect>", Escaped(hint)));
        }
    }
}

/// A standalone picture without its style, for a page that has the style already.
pub(crate) fn without_style(svg: &str) -> String {
    match (svg.find("<style>"), svg.find("</style>")) {
        (Some(start), Some(end)) if start < end => {
            format!("{}{}", &svg[..start], svg[end + "</style>".len()..].trim_end())
        }
        _ => svg.to_owned(),
    }
}

/// `M` and `L` with shorthands for what is level or upright.
fn path_data(points: &[Point]) -> String {
    let mut data = String::new();
    let mut last = (String::new(), String::new());
    for (index, point) in points.iter().enumerate() {
        let (x, y) = (number(point.0), number(point.1));
        // Writing to a String cannot fail.
        let _ = match index {
            0 => write!(data, "M{x} {y}"),
            _ if x == last.0 && y == last.1 => Ok(()),
            _ if y == last.1 => write!(data, "H{x}"),
            _ if x == last.0 => write!(data, "V{y}"),
            _ => write!(data, "L{x} {y}"),
        };
        last = (x, y);
    }
    data
}

/// Two decimals, no zeros at the end, no minus zero.
fn number(value: f64) -> String {
    let rounded = (value * 100.0).round() / 100.0 + 0.0;
    rounded.to_string()
}

/// Text as XML has to have it.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            // Control characters are no XML at all.
            c if c.is_control() => f.write_char(' '),
            c => f.write_char(c),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Fails unless every element that opens closes, in order, and no text holds a bare `&` or `<`.
    pub(in super::super) fn assert_well_formed(svg: &str) {
        let mut open: Vec<&str> = Vec::new();
        for piece in svg.split('<').skip(1) {
            let (tag, text) = piece.split_once('>').expect("a tag that does not end");
            for entity in text.split('&').skip(1) {
                let known = ["amp;", "lt;", "gt;", "quot;"].iter().any(|e| entity.starts_with(e));
                assert!(known, "bare & in {text:?}");
            }
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "in {tag:?}");
            } else if !tag.ends_with('/') {
                open.push(tag.split(' ').next().unwrap());
            }
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        }
        assert!(open.is_empty(), "left open: {open:?}");
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "a number that is none");
    }

    #[test]
    fn text_is_escaped() {
        let mut svg = Svg::new("a", (10.0, 20.0), "A & <B>", "\"q\"\u{7}");
        svg.text((1.0, 2.0), "m", "1 < 2 & 3");
        svg.rect((0.0, 0.0), (1.0, -1.0), "legit", "<hint>");
        let text = svg.standalone();
        assert_well_formed(&text);
        assert_well_formed(&without_style(&text));
        assert!(!without_style(&text).contains("svg:root"));
        assert!(text.contains("<title id=\"a-t\">A &amp; &lt;B&gt;</title>"));
        assert!(text.contains(">&quot;q&quot; </desc>"));
        assert!(text.contains(">1 &lt; 2 &amp; 3</text>"));
        assert!(text.contains("height=\"0\" class=\"legit\"><title>&lt;hint&gt;</title></rect>"));
    }

    #[test]
    fn numbers_are_short_and_paths_shorter() {
        assert_eq!([1.0, 1.5, 2.0 / 3.0, -0.001].map(number), ["1", "1.5", "0.67", "0"]);
        let points = [(0.0, 0.0), (1.0, 0.0), (1.0, 0.001), (1.0, 2.0), (3.0, 4.0)];
        assert_eq!(path_data(&points), "M0 0H1V2L3 4");
    }
}
