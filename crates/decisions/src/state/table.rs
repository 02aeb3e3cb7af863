//! The operations of the OpenAI API, below `/v1`, and what each has to do with what a provider holds.
//!
//! What is missing here goes to the primary alone: paths of an account (`/organization`, `/projects`), of one provider's
//! own (CometAPI's tasks), and of a later version of the API.

use crate::state::operation::BodyKind::{self, Empty, Form, FormOrJson, Json};
use crate::state::operation::Operation;
use crate::state::operation::StateClass::{self, Creates, Free, List, Pinned, PrimaryOnly};

/// Every operation that is known.
pub static OPERATIONS: &[Operation] = &[
    // Inference, routed by its model: stored or not as its body says.
    post("/chat/completions", Json, Free).streaming(),
    post("/responses", Json, Creates).streaming(),
    post("/embeddings", Json, Free),
    // Inference that is not routed.
    post("/completions", Json, Free).streaming(),
    post("/moderations", Json, Free),
    post("/responses/compact", Json, Free),
    post("/responses/input_tokens", Json, Free),
    post("/images/generations", Json, Free).streaming(),
    post("/images/edits", FormOrJson, Free).streaming(),
    post("/images/variations", Form, Free),
    post("/audio/speech", Json, Free).streaming(),
    post("/audio/transcriptions", Form, Free).streaming(),
    post("/audio/translations", Form, Free),
    get("/models", Free),
    get("/models/{model}", Free),
    delete("/models/{model}"),
    // Responses and conversations.
    get("/responses/{response_id}", Pinned).streaming(),
    delete("/responses/{response_id}"),
    post("/responses/{response_id}/cancel", Json, Pinned),
    get("/responses/{response_id}/input_items", Pinned),
    post("/conversations", Json, Creates),
    get("/conversations/{conversation_id}", Pinned),
    post("/conversations/{conversation_id}", Json, Pinned),
    delete("/conversations/{conversation_id}"),
    get("/conversations/{conversation_id}/items", Pinned),
    post("/conversations/{conversation_id}/items", Json, Pinned),
    get("/conversations/{conversation_id}/items/{item_id}", Pinned),
    delete("/conversations/{conversation_id}/items/{item_id}"),
    // Stored chat completions.
    get("/chat/completions", List),
    get("/chat/completions/{completion_id}", Pinned),
    post("/chat/completions/{completion_id}", Json, Pinned),
    delete("/chat/completions/{completion_id}"),
    get("/chat/completions/{completion_id}/messages", Pinned),
    // Files and uploads.
    get("/files", List),
    post("/files", Form, Creates),
    get("/files/{file_id}", Pinned),
    delete("/files/{file_id}"),
    get("/files/{file_id}/content", Pinned),
    post("/uploads", Json, Creates),
    post("/uploads/{upload_id}/parts", Form, Pinned),
    post("/uploads/{upload_id}/complete", Json, Pinned),
    post("/uploads/{upload_id}/cancel", Json, Pinned),
    // Vector stores.
    get("/vector_stores", List),
    post("/vector_stores", Json, Creates),
    get("/vector_stores/{vector_store_id}", Pinned),
    post("/vector_stores/{vector_store_id}", Json, Pinned),
    delete("/vector_stores/{vector_store_id}"),
    post("/vector_stores/{vector_store_id}/search", Json, Pinned),
    get("/vector_stores/{vector_store_id}/files", Pinned),
    post("/vector_stores/{vector_store_id}/files", Json, Pinned),
    get("/vector_stores/{vector_store_id}/files/{file_id}", Pinned),
    post("/vector_stores/{vector_store_id}/files/{file_id}", Json, Pinned),
    delete("/vector_stores/{vector_store_id}/files/{file_id}"),
    get("/vector_stores/{vector_store_id}/files/{file_id}/content", Pinned),
    post("/vector_stores/{vector_store_id}/file_batches", Json, Pinned),
    get("/vector_stores/{vector_store_id}/file_batches/{batch_id}", Pinned),
    post("/vector_stores/{vector_store_id}/file_batches/{batch_id}/cancel", Json, Pinned),
    get("/vector_stores/{vector_store_id}/file_batches/{batch_id}/files", Pinned),
    // Batches and fine-tuning.
    get("/batches", List),
    post("/batches", Json, Creates),
    get("/batches/{batch_id}", Pinned),
    post("/batches/{batch_id}/cancel", Json, Pinned),
    get("/fine_tuning/jobs", List),
    post("/fine_tuning/jobs", Json, Creates),
    get("/fine_tuning/jobs/{fine_tuning_job_id}", Pinned),
    post("/fine_tuning/jobs/{fine_tuning_job_id}/cancel", Json, Pinned),
    post("/fine_tuning/jobs/{fine_tuning_job_id}/pause", Json, Pinned),
    post("/fine_tuning/jobs/{fine_tuning_job_id}/resume", Json, Pinned),
    get("/fine_tuning/jobs/{fine_tuning_job_id}/events", Pinned).streaming(),
    get("/fine_tuning/jobs/{fine_tuning_job_id}/checkpoints", Pinned),
    get("/fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions", Pinned),
    post("/fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions", Json, Pinned),
    delete("/fine_tuning/checkpoints/{fine_tuned_model_checkpoint}/permissions/{permission_id}"),
    post("/fine_tuning/alpha/graders/run", Json, PrimaryOnly),
    post("/fine_tuning/alpha/graders/validate", Json, PrimaryOnly),
    // Assistants, threads and runs.
    get("/assistants", List),
    post("/assistants", Json, Creates),
    get("/assistants/{assistant_id}", Pinned),
    post("/assistants/{assistant_id}", Json, Pinned),
    delete("/assistants/{assistant_id}"),
    post("/threads", Json, Creates),
    post("/threads/runs", Json, Creates).streaming(),
    get("/threads/{thread_id}", Pinned),
    post("/threads/{thread_id}", Json, Pinned),
    delete("/threads/{thread_id}"),
    get("/threads/{thread_id}/messages", Pinned),
    post("/threads/{thread_id}/messages", Json, Pinned),
    get("/threads/{thread_id}/messages/{message_id}", Pinned),
    post("/threads/{thread_id}/messages/{message_id}", Json, Pinned),
    delete("/threads/{thread_id}/messages/{message_id}"),
    get("/threads/{thread_id}/runs", Pinned),
    post("/threads/{thread_id}/runs", Json, Pinned).streaming(),
    get("/threads/{thread_id}/runs/{run_id}", Pinned),
    post("/threads/{thread_id}/runs/{run_id}", Json, Pinned),
    post("/threads/{thread_id}/runs/{run_id}/cancel", Json, Pinned),
    post("/threads/{thread_id}/runs/{run_id}/submit_tool_outputs", Json, Pinned).streaming(),
    get("/threads/{thread_id}/runs/{run_id}/steps", Pinned),
    get("/threads/{thread_id}/runs/{run_id}/steps/{step_id}", Pinned),
    // Containers.
    get("/containers", List),
    post("/containers", Json, Creates),
    get("/containers/{container_id}", Pinned),
    delete("/containers/{container_id}"),
    get("/containers/{container_id}/files", Pinned),
    post("/containers/{container_id}/files", FormOrJson, Pinned).referring(),
    get("/containers/{container_id}/files/{file_id}", Pinned),
    delete("/containers/{container_id}/files/{file_id}"),
    get("/containers/{container_id}/files/{file_id}/content", Pinned),
    // Videos.
    get("/videos", List),
    post("/videos", FormOrJson, Creates).referring(),
    post("/videos/edits", FormOrJson, Creates).referring(),
    post("/videos/extensions", FormOrJson, Creates).referring(),
    post("/videos/characters", Form, Creates).referring(),
    get("/videos/characters/{character_id}", Pinned),
    get("/videos/{video_id}", Pinned),
    delete("/videos/{video_id}"),
    get("/videos/{video_id}/content", Pinned),
    post("/videos/{video_id}/remix", Json, Pinned),
    // Evals.
    get("/evals", List),
    post("/evals", Json, Creates),
    get("/evals/{eval_id}", Pinned),
    post("/evals/{eval_id}", Json, Pinned),
    delete("/evals/{eval_id}"),
    get("/evals/{eval_id}/runs", Pinned),
    post("/evals/{eval_id}/runs", Json, Pinned),
    get("/evals/{eval_id}/runs/{run_id}", Pinned),
    post("/evals/{eval_id}/runs/{run_id}", Json, Pinned),
    delete("/evals/{eval_id}/runs/{run_id}"),
    get("/evals/{eval_id}/runs/{run_id}/output_items", Pinned),
    get("/evals/{eval_id}/runs/{run_id}/output_items/{output_item_id}", Pinned),
    // Skills.
    get("/skills", List),
    post("/skills", FormOrJson, Creates),
    get("/skills/{skill_id}", Pinned),
    post("/skills/{skill_id}", Json, Pinned),
    delete("/skills/{skill_id}"),
    get("/skills/{skill_id}/content", Pinned),
    get("/skills/{skill_id}/versions", Pinned),
    post("/skills/{skill_id}/versions", FormOrJson, Pinned),
    get("/skills/{skill_id}/versions/{version}", Pinned),
    delete("/skills/{skill_id}/versions/{version}"),
    get("/skills/{skill_id}/versions/{version}/content", Pinned),
    // ChatKit.
    post("/chatkit/sessions", Json, Creates),
    post("/chatkit/sessions/{session_id}/cancel", Json, Pinned),
    get("/chatkit/threads", List),
    get("/chatkit/threads/{thread_id}", Pinned),
    delete("/chatkit/threads/{thread_id}"),
    get("/chatkit/threads/{thread_id}/items", Pinned),
    // Custom voices.
    get("/audio/voices", List),
    post("/audio/voices", Form, Creates).referring(),
    get("/audio/voices/{voice_id}", Pinned),
    delete("/audio/voices/{voice_id}"),
    get("/audio/voice_consents", List),
    post("/audio/voice_consents", Form, Creates),
    get("/audio/voice_consents/{consent_id}", Pinned),
    post("/audio/voice_consents/{consent_id}", Json, Pinned),
    delete("/audio/voice_consents/{consent_id}"),
    // Live sessions, and secrets that open one.
    post("/realtime/client_secrets", Json, PrimaryOnly),
    post("/realtime/sessions", Json, PrimaryOnly),
    post("/realtime/transcription_sessions", Json, PrimaryOnly),
    post("/realtime/calls", Form, PrimaryOnly),
    get("/realtime", PrimaryOnly),
    post("/realtime/calls/{call_id}/accept", Json, Pinned),
    post("/realtime/calls/{call_id}/hangup", Json, Pinned),
    post("/realtime/calls/{call_id}/refer", Json, Pinned),
    post("/realtime/calls/{call_id}/reject", Json, Pinned),
    // Anything else.
    post("/content_provenance_checks", FormOrJson, PrimaryOnly).referring(),
];

const fn get(template: &'static str, class: StateClass) -> Operation {
    Operation { method: "GET", template, body: Empty, form_refers: false, streams: false, class }
}

const fn post(template: &'static str, body: BodyKind, class: StateClass) -> Operation {
    Operation { method: "POST", template, body, form_refers: false, streams: false, class }
}

const fn delete(template: &'static str) -> Operation {
    Operation { method: "DELETE", template, body: Empty, form_refers: false, streams: false, class: Pinned }
}

impl Operation {
    const fn referring(self) -> Operation {
        Operation { form_refers: true, ..self }
    }

    const fn streaming(self) -> Operation {
        Operation { streams: true, ..self }
    }
}
