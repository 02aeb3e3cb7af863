//! Routes that read an answer to its end although its caller has left, for its usage: the attempts run in a task of
//! their own, and only what waits for them goes with the caller.

use http::Response;
use tokio_util::sync::CancellationToken;

use crate::attempt::call::Call;
use crate::attempt::run::run;
use crate::error::Error;
use crate::error_response;
use crate::response::GatewayBody;
use crate::response::ticket::Ticket;

/// Makes the attempts of a request in a way that dropping this does not end the one under way. No other begins then.
pub(crate) async fn outlive(
    call: Box<Call>,
    ticket: Box<Ticket>,
    abandoned: CancellationToken,
) -> Response<GatewayBody> {
    // After the answer nobody asks any more whether the caller is there.
    let _caller = abandoned.drop_guard();
    let dialect = ticket.dialect;
    match tokio::spawn(run(call, ticket)).await {
        Ok(response) => response,
        Err(_panicked_or_cut) => error_response::respond(&Error::Internal, dialect).0,
    }
}
