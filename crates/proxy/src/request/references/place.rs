//! Where references stand in a body, as a tree of places. One tree serves all endpoints, because the names do not
//! collide.

use decisions::state::ReferenceKind;

/// Where a value stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Where nobody asks about anything.
    Nowhere,
    Root,
    /// A text here is a name.
    Id,
    /// A list of names.
    Ids,
    /// A text here is sealed, or checked against the rest of the request.
    Sealed,
    /// A text here is worth something to whoever reads it, and so is any member of an object.
    Credential,
    /// A text here names something of the provider's own.
    Bound,
    /// `model`: a name only if it is that of a fine-tuned one.
    Model,
    /// `previous_response_id`
    Previous,
    /// `conversation`: a name, or an object with one.
    Conversation,
    /// An object with an `id`.
    Named,
    NamedList,
    /// `prompt`
    Prompt,
    /// Its variables, by name.
    Variables,
    /// An object that may name files, stores or a sandbox, or hold another that does.
    Holder,
    Holders,
    /// `container`: a name, or an object that holds some.
    Container,
    /// `input`
    Input,
    /// One of its items: see `Walk`.
    Item,
    ItemId,
    ItemType,
    Checks,
    Check,
    Tools,
    Tool,
    ToolType,
    /// An object with tools' settings by name, as assistants have.
    ToolResources,
    /// `messages`
    Messages,
    Message,
    /// `content` of a message, or what a tool has given back: a list of parts, or one alone.
    Parts,
    Part,
    PartType,
    /// `thread`
    Thread,
    /// `audio`
    Audio,
}

impl Place {
    /// The place of this member of an object.
    pub(crate) fn member(self, key: &str) -> Place {
        match self {
            Place::Root => root(key),
            Place::Named | Place::Conversation if key == "id" => Place::Id,
            Place::Prompt => match key {
                "id" => Place::Id,
                "variables" => Place::Variables,
                _ => Place::Nowhere,
            },
            Place::Variables => Place::Holder,
            Place::Holder | Place::Container => holder(key),
            Place::Part => match key {
                "type" => Place::PartType,
                // Of what a tool has given back, as Anthropic has it.
                "content" => Place::Parts,
                "source" => Place::Holder,
                _ => holder(key),
            },
            Place::Item => match key {
                "id" => Place::ItemId,
                "type" => Place::ItemType,
                "encrypted_content" | "approval_request_id" => Place::Sealed,
                "content" | "output" => Place::Parts,
                "results" => Place::Holders,
                "environment" => Place::Container,
                "container_id" => Place::Id,
                "pending_safety_checks" | "acknowledged_safety_checks" => Place::Checks,
                "tools" => Place::Tools,
                _ => Place::Nowhere,
            },
            Place::Check if key == "id" => Place::Sealed,
            Place::Tool => match key {
                "type" => Place::ToolType,
                "vector_store_ids" => Place::Ids,
                "container" | "environment" => Place::Container,
                "input_image_mask" => Place::Holder,
                "connector_id" => Place::Bound,
                "tunnel_id" => Place::Id,
                "authorization" | "authorization_token" | "headers" => Place::Credential,
                "tools" => Place::Tools,
                _ => Place::Nowhere,
            },
            Place::ToolResources => Place::Holder,
            Place::Message => match key {
                "content" => Place::Parts,
                "attachments" => Place::Holders,
                "audio" => Place::Named,
                _ => Place::Nowhere,
            },
            Place::Thread => match key {
                "messages" => Place::Messages,
                "tool_resources" => Place::ToolResources,
                _ => Place::Nowhere,
            },
            Place::Audio if key == "voice" => Place::Named,
            Place::Credential => Place::Credential,
            _ => Place::Nowhere,
        }
    }

    /// The place of every element of a list.
    pub(crate) fn element(self) -> Place {
        match self {
            Place::Ids => Place::Id,
            // Some lists may also be one element alone.
            Place::Holders => Place::Holder,
            Place::Parts => Place::Part,
            Place::NamedList => Place::Named,
            Place::Input => Place::Item,
            Place::Checks => Place::Check,
            Place::Tools => Place::Tool,
            Place::Messages => Place::Message,
            Place::Credential => Place::Credential,
            _ => Place::Nowhere,
        }
    }

    /// What an object is that stands where a list may.
    pub(crate) fn as_object(self) -> Place {
        match self {
            Place::Holders => Place::Holder,
            Place::Parts => Place::Part,
            _ => self,
        }
    }

    /// What a text here refers to.
    pub(crate) fn kind(self) -> Option<ReferenceKind> {
        match self {
            Place::Id | Place::Previous | Place::Conversation | Place::Container => Some(ReferenceKind::Id),
            Place::Sealed => Some(ReferenceKind::Sealed),
            _ => None,
        }
    }
}

fn root(key: &str) -> Place {
    match key {
        "previous_response_id" => Place::Previous,
        "conversation" => Place::Conversation,
        "prompt" => Place::Prompt,
        // A conversation is begun and added to with `items`.
        "input" | "items" => Place::Input,
        "model" => Place::Model,
        // Anthropic names the servers of tools apart from the tools.
        "tools" | "mcp_servers" => Place::Tools,
        "messages" => Place::Messages,
        "additional_messages" => Place::Messages,
        "audio" => Place::Audio,
        "voice" | "video" => Place::Named,
        "characters" => Place::NamedList,
        "images" | "attachments" | "files" => Place::Holders,
        "mask" | "input_reference" => Place::Holder,
        "tool_resources" => Place::ToolResources,
        "thread" => Place::Thread,
        "input_file_id" | "training_file" | "validation_file" | "assistant_id" => Place::Id,
        _ => holder(key),
    }
}

fn holder(key: &str) -> Place {
    match key {
        "file_id" | "container_id" | "vector_store_id" => Place::Id,
        "file_ids" | "vector_store_ids" => Place::Ids,
        "annotations" | "skills" => Place::Holders,
        "file" | "image_file" => Place::Holder,
        "skill_id" => Place::Sealed,
        _ => Place::Nowhere,
    }
}
