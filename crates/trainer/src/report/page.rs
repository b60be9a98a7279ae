//! What all pages share: their style.

use askama::Template;

use crate::plot;

/// The style that all pages share: the page's own and that of the pictures in it.
pub(crate) fn page_style() -> anyhow::Result<String> {
    let sheet = StyleSheet { light: plot::COLOURS, dark: plot::DARK_COLOURS };
    Ok(sheet.render()? + plot::STYLE)
}

#[derive(Template)]
#[template(path = "page.css", escape = "none")]
struct StyleSheet {
    light: &'static str,
    dark: &'static str,
}
