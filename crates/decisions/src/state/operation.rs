//! What an operation is: found by its method and its whole path, never by the beginning of one.
//!
//! `POST /chat/completions/{completion_id}` changes what is stored and `POST /chat/completions` is inference: a prefix
//! would take one for the other.

use crate::state::table::OPERATIONS;

/// One operation of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// As in the request line.
    pub method: &'static str,
    /// The path below `/v1`; `{…}` stands for one segment.
    pub template: &'static str,
    /// What its request carries.
    pub body: BodyKind,
    /// A form of it may name what lives at a provider, beside its files.
    pub form_refers: bool,
    /// Its answer may be an event stream.
    pub streams: bool,
    /// What it has to do with what a provider holds.
    pub class: StateClass,
}

/// What a request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// Nothing.
    Empty,
    /// A JSON object.
    Json,
    /// Parts of a form, with files.
    Form,
    /// A form or a JSON object.
    FormOrJson,
}

impl BodyKind {
    /// Whether the body may be a JSON object that refers to something.
    #[must_use]
    pub fn may_be_json(self) -> bool {
        matches!(self, BodyKind::Json | BodyKind::FormOrJson)
    }
}

/// What an operation has to do with what a provider holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateClass {
    /// Nothing, but for what its body refers to.
    Free,
    /// It makes something that can be referred to afterwards.
    Creates,
    /// Its path names something: it goes where that lives.
    Pinned,
    /// Only the primary: a secret, a live session, an account.
    PrimaryOnly,
    /// It lists what one provider holds for its credential.
    List,
}

impl StateClass {
    /// The name used in the documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StateClass::Free => "free",
            StateClass::Creates => "creates",
            StateClass::Pinned => "pinned",
            StateClass::PrimaryOnly => "primary-only",
            StateClass::List => "list",
        }
    }
}

/// An operation, and the ID that its path names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'p> {
    /// The operation.
    pub operation: &'static Operation,
    /// What stands for the first `{…}`. Those behind it live within what it names, which its provider sees to.
    pub id: Option<&'p str>,
}

/// Finds the operation of a request; `path` stands below `/v1`, without a query. `None` is for whoever knows better: the
/// primary alone.
#[must_use]
pub fn find_operation<'p>(method: &str, path: &'p str) -> Option<Found<'p>> {
    // A method that the API does not have there still names what the path names.
    find_among(|operation| operation.method == method, path).or_else(|| find_among(|_| true, path))
}

fn find_among(may_be: impl Fn(&Operation) -> bool, path: &str) -> Option<Found<'_>> {
    // Of two that match, the one that names more of the path: `/threads/runs` is no thread.
    OPERATIONS
        .iter()
        .filter(|operation| may_be(operation))
        .filter_map(|operation| match_template(operation.template, path).map(|found| (operation, found)))
        .min_by_key(|(_, (open, _))| *open)
        .map(|(operation, (_, id))| Found { operation, id })
}

/// How many segments a template leaves open, and what stands at the first of them.
fn match_template<'p>(template: &str, path: &'p str) -> Option<(usize, Option<&'p str>)> {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    let (mut open, mut id) = (0, None);
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some((open, id)),
            (Some(name), Some(segment)) if name.starts_with('{') => {
                if segment.is_empty() {
                    return None;
                }
                open += 1;
                id = id.or(Some(segment));
            }
            (Some(wanted), Some(given)) if wanted == given => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(method: &str, path: &str) -> Option<(StateClass, Option<String>)> {
        let found = find_operation(method, path)?;
        Some((found.operation.class, found.id.map(str::to_owned)))
    }

    #[test]
    fn whole_paths_count_and_never_beginnings() {
        assert_eq!(class("POST", "/chat/completions"), Some((StateClass::Free, None)));
        let update = Some((StateClass::Pinned, Some("chatcmpl-1".to_owned())));
        assert_eq!(class("POST", "/chat/completions/chatcmpl-1"), update);
        assert_eq!(class("GET", "/chat/completions"), Some((StateClass::List, None)));
        assert_eq!(class("POST", "/conversations"), Some((StateClass::Creates, None)));
        let conversation = Some((StateClass::Pinned, Some("conv_1".to_owned())));
        assert_eq!(class("POST", "/conversations/conv_1"), conversation);
        assert_eq!(class("GET", "/responses/resp_1/input_items/x"), None);
        assert_eq!(class("GET", "/files/"), None);
        assert_eq!(class("GET", "/Files"), None);
        assert_eq!(class("GET", "/organization/users"), None);
        assert_eq!(class("PATCH", "/files"), Some((StateClass::List, None)));
        assert_eq!(class("PUT", "/files/file-1"), Some((StateClass::Pinned, Some("file-1".to_owned()))));
    }

    #[test]
    fn a_name_is_no_id() {
        assert_eq!(class("POST", "/threads/runs"), Some((StateClass::Creates, None)));
        let thread = Some((StateClass::Pinned, Some("thread_1".to_owned())));
        assert_eq!(class("POST", "/threads/thread_1"), thread);
        assert_eq!(class("GET", "/threads/thread_1/runs/run_1/steps/step_1"), thread);
    }

    #[test]
    fn the_table_has_one_answer_for_every_path() {
        for (at, operation) in OPERATIONS.iter().enumerate() {
            let Operation { method, template, .. } = operation;
            assert!(template.starts_with('/') && !template.ends_with('/'), "{template}");
            let path = template.replace(['{', '}'], "");
            let found = find_operation(method, &path).map(|found| found.operation);
            assert_eq!(found, Some(operation), "{method} {template}");
            let twice = OPERATIONS[..at].iter().any(|other| {
                let shape = |template: &str| {
                    let open = |segment: &str| segment.starts_with('{');
                    template
                        .split('/')
                        .map(|part| if open(part) { "{}" } else { part }.to_owned())
                        .collect::<Vec<_>>()
                };
                other.method == *method && shape(other.template) == shape(template)
            });
            assert!(!twice, "{method} {template} is there twice");
        }
    }

    #[test]
    fn what_names_something_is_pinned_and_what_lists_names_nothing() {
        for operation in OPERATIONS {
            let has_id = operation.template.contains('{');
            let Operation { method, template, class, .. } = operation;
            match class {
                StateClass::Pinned => assert!(has_id, "{method} {template}"),
                StateClass::List | StateClass::Creates => assert!(!has_id, "{method} {template}"),
                StateClass::Free | StateClass::PrimaryOnly => {}
            }
            if has_id && *class != StateClass::Pinned {
                assert_eq!(*template, "/models/{model}");
            }
        }
    }
}
