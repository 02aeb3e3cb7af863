//! Routes that read an answer to its end although its caller has left, for its usage: the attempts run in a task of
//! their own, and only what waits for them goes with the caller.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Response;

use crate::attempt::call::Call;
use crate::attempt::run::run;
use crate::error::Error;
use crate::error_response;
use crate::response::GatewayBody;
use crate::response::ticket::Ticket;

/// Makes the attempts of a request in a way that dropping this does not end the one under way. No other begins then.
pub(crate) async fn outlive(call: Call, ticket: Ticket) -> Response<GatewayBody> {
    let _caller = Caller(Arc::clone(&call.abandoned));
    let dialect = ticket.dialect;
    match tokio::spawn(run(call, ticket)).await {
        Ok(response) => response,
        Err(_panicked_or_cut) => error_response::respond(&Error::Internal, dialect).0,
    }
}

/// Says when it is dropped that the caller has left; after the answer nobody asks any more.
struct Caller(Arc<AtomicBool>);

impl Drop for Caller {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
