//! A problem as a text that looks like `rustc`'s.
//!
//! Drawn by `annotate-snippets`, which knows how wide characters are and what a terminal must not get to see. It counts
//! columns in the snippet, which may be only a part of its line; where it is, the column is put right afterwards.

use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet as Source, normalize_untrusted_str,
};

use crate::code::Severity;
use crate::problem::{Place, Problem};
use crate::snippet::Snippet;

/// Snippets are cut already; what is drawn around them must not cut them again. Each tab is drawn as four columns.
const WIDTH: usize = 1000;

/// Without a line end; in colours if `styled`.
pub(crate) fn render(problem: &Problem, styled: bool) -> String {
    let renderer = if styled { Renderer::styled() } else { Renderer::plain() }.term_width(WIDTH);
    let level = match problem.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(problem.message.as_str()).id(problem.code.as_str());
    let group = add_snippets(Group::with_title(title), problem);
    let group = match &problem.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    };
    let drawn = renderer.render(&[group]);
    let drawn = put_right(&drawn, &problem.place, &problem.snippet, |text, place| text.find(place));
    match &problem.beside {
        Some(beside) => put_right(&drawn, &beside.place, &beside.snippet, |text, place| text.rfind(place)),
        None => drawn,
    }
}

fn add_snippets<'p>(group: Group<'p>, problem: &'p Problem) -> Group<'p> {
    let (place, snippet) = (&problem.place, &problem.snippet);
    if snippet.text.is_empty() {
        let origin = Origin::path(place.path.to_string_lossy()).line(place.line).char_column(place.column);
        return group.element(origin);
    }
    let primary = source(place, snippet, AnnotationKind::Primary.span(snippet.highlight.clone()));
    let Some(beside) = &problem.beside else { return group.element(primary) };
    let label = AnnotationKind::Context.span(beside.snippet.highlight.clone()).label(beside.label.as_str());
    let is_one_window = counted_column(&beside.snippet).abs_diff(counted_column(snippet))
        == beside.place.column.abs_diff(place.column);
    if beside.place.line == place.line && is_one_window && beside.snippet.text == snippet.text {
        return group.element(primary.annotation(label));
    }
    group.element(primary).element(source(&beside.place, &beside.snippet, label))
}

fn source<'p>(
    place: &'p Place,
    snippet: &'p Snippet,
    annotation: Annotation<'p>,
) -> Source<'p, Annotation<'p>> {
    let source = Source::source(snippet.text.as_str()).path(place.path.to_string_lossy());
    source.line_start(place.line).annotation(annotation)
}

fn put_right(
    drawn: &str,
    place: &Place,
    snippet: &Snippet,
    find: impl Fn(&str, &str) -> Option<usize>,
) -> String {
    let counted = counted_column(snippet);
    let path = normalize_untrusted_str(&place.path.to_string_lossy());
    let counted_place = format!("{path}:{}:{counted}", place.line);
    match find(drawn, &counted_place).and_then(|at| drawn.split_at_checked(at)) {
        Some((start, rest)) if counted != place.column && !snippet.text.is_empty() => {
            let rest = rest.strip_prefix(counted_place.as_str()).unwrap_or(rest);
            format!("{start}{path}:{}:{}{rest}", place.line, place.column)
        }
        _ => drawn.to_owned(),
    }
}

fn counted_column(snippet: &Snippet) -> usize {
    snippet.text.get(..snippet.highlight.start).unwrap_or_default().chars().count() + 1
}
