//! The Unix socket that commands talk to a running gateway by: HTTP/1 with JSON, for the owner of the state directory.
//!
//! It is made where nobody else can look and then moved to its place, so nobody connects before it is only the owner's, and
//! what a killed process left there is replaced. Of several gateways on one state directory the one answers that keeps
//! the gates' numbers; another takes over within a second after it ends.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use proxy::{Snapshot, UnlistedModel};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

use crate::gates::acting::{Acting, Action, Asked, Refusal};
use crate::gates::connections::Left;
use crate::gates::report::report;
use crate::small_server::{Answer, Visitors, json_answer, serve_all};

const COMMANDS: Visitors = Visitors { name: "command", most: 16, stay: Duration::from_secs(10) };

/// How often it is looked whether the socket is still there, and ours to serve.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Bytes in the largest request.
const LARGEST: usize = 64 << 10;

/// A path that is longer does not fit into a socket's address (108 bytes on Linux, 104 elsewhere).
const LONGEST_PATH: usize = 100;

/// Where the socket of a state directory is.
pub(crate) fn socket_path(state_dir: &Path) -> PathBuf {
    state_dir.join("admin.sock")
}

/// Serves until told to stop, as long as nobody else does.
///
/// `first` is the socket where it could be opened before anybody was told that the gateway serves.
pub(crate) async fn serve_commands(
    state_dir: PathBuf,
    mut first: Option<UnixListener>,
    acting: Arc<Acting>,
    stop: CancellationToken,
) {
    let path = socket_path(&state_dir);
    let mut is_told = false;
    while !stop.is_cancelled() {
        if acting.keeper.has_turn() {
            match first.take().map_or_else(|| open(&state_dir), Ok) {
                Ok(listener) => {
                    is_told = false;
                    let inode = inode(&path);
                    let accept = |cx: &mut Context<'_>| listener.poll_accept(cx).map_ok(|(stream, _)| stream);
                    let acting = Arc::clone(&acting);
                    let respond = move |request| respond(request, Arc::clone(&acting));
                    tokio::select! {
                        () = serve_all(COMMANDS, accept, respond) => {}
                        () = until_gone(&path, inode) => {}
                        () = stop.cancelled() => {
                            fs::remove_file(&path).ok();
                            return;
                        }
                    }
                }
                Err(error) if !is_told => {
                    is_told = true;
                    tracing::error!(
                        "commands cannot reach this gateway: {}: {error}\n  help: it is tried again every second",
                        path.display()
                    );
                }
                Err(_) => {}
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Connects to the gateway of a state directory.
pub(crate) async fn connect(state_dir: &Path) -> io::Result<UnixStream> {
    let place = Place::of(state_dir)?;
    UnixStream::connect(place.path("admin.sock")).await
}

/// A directory by a name that is short enough for a socket's address.
struct Place {
    name: PathBuf,
    _open: Option<File>,
}

impl Place {
    fn of(directory: &Path) -> io::Result<Place> {
        if directory.as_os_str().len() < LONGEST_PATH - "/admin.sock".len() || !cfg!(target_os = "linux") {
            return Ok(Place { name: directory.to_owned(), _open: None });
        }
        let open = File::open(directory)?;
        Ok(Place { name: format!("/proc/self/fd/{}", open.as_raw_fd()).into(), _open: Some(open) })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.name.join(name)
    }
}

/// Makes the socket, in place of whatever is there.
pub(crate) fn open(state_dir: &Path) -> io::Result<UnixListener> {
    // Nobody else may enter this directory.
    let private = tempfile::Builder::new().prefix(".admin-").tempdir_in(state_dir)?;
    let listener = UnixListener::bind(Place::of(private.path())?.path("s"))?;
    let made = private.path().join("s");
    fs::set_permissions(&made, Permissions::from_mode(0o600))?;
    fs::rename(&made, socket_path(state_dir))?;
    Ok(listener)
}

fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|found| std::os::unix::fs::MetadataExt::ino(&found))
}

/// Somebody has removed or replaced it.
async fn until_gone(path: &Path, ours: Option<u64>) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        if inode(path) != ours {
            return;
        }
    }
}

async fn respond(request: Request<Incoming>, acting: Arc<Acting>) -> Answer {
    match answer(request, &acting).await {
        Ok(body) => json_answer(StatusCode::OK, &body),
        Err(refusal) => json_answer(refusal.status, &json!({ "error": refusal.why })),
    }
}

async fn answer(request: Request<Incoming>, acting: &Acting) -> Result<Value, Refusal> {
    let path = request.uri().path().to_owned();
    match (request.method(), path.as_str()) {
        (&Method::GET, "/status") => {
            let only = request.uri().query().and_then(|query| query.strip_prefix("route="));
            let snapshot = acting.handle.current();
            let mut report =
                report(&snapshot, &acting.keeper, only).ok_or_else(|| no_route(&snapshot, only))?;
            report["checks"] = acting.leasing.report();
            report["catalogs"] = acting.catalogs.report();
            Ok(report)
        }
        (&Method::GET, "/models/unlisted") => {
            let (models, others) = acting.measured.unlisted();
            let model = |model: &UnlistedModel| json!({ "name": model.name, "requests": model.requests });
            Ok(json!({ "models": models.iter().map(model).collect::<Vec<_>>(), "others": others }))
        }
        (&Method::GET, "/checks/seen") => acting.leasing.seen(request.uri().query().unwrap_or_default()),
        (&Method::POST, "/checks/lease") => {
            acting.leasing.grant(&acting.handle.current(), read_body(request.into_body()).await?)
        }
        (&Method::POST, "/checks/renew") => {
            acting.leasing.renew(&acting.handle.current(), read_body(request.into_body()).await?)
        }
        (&Method::POST, "/checks/end") => acting.leasing.end(&read_body(request.into_body()).await?),
        (&Method::POST, "/checks/result") => acting.heard(&read_body(request.into_body()).await?),
        (&Method::POST, "/connections/close-idle") => {
            let asked: Left = read_body(request.into_body()).await?;
            acting.close_idle(&asked)
        }
        (&Method::POST, "/accept") => acting.accept(&read_body(request.into_body()).await?),
        (&Method::POST, path) => {
            let action =
                Action::ALL.into_iter().find(|action| path.strip_prefix('/') == Some(action.as_str()));
            let action = action.ok_or_else(not_found)?;
            let asked: Asked = read_body(request.into_body()).await?;
            acting.act(action, &asked).await
        }
        _ => Err(not_found()),
    }
}

async fn read_body<T: DeserializeOwned>(body: Incoming) -> Result<T, Refusal> {
    let bad = |why: String| Refusal { status: StatusCode::BAD_REQUEST, why };
    let body = Limited::new(body, LARGEST).collect().await.map_err(|error| bad(error.to_string()))?;
    serde_json::from_slice(&body.to_bytes()).map_err(|error| bad(error.to_string()))
}

fn no_route(snapshot: &Snapshot, named: Option<&str>) -> Refusal {
    let version = snapshot.plan().route_version();
    let why = format!("the map in force ({version}) has no route {:?}", named.unwrap_or_default());
    Refusal { status: StatusCode::NOT_FOUND, why }
}

fn not_found() -> Refusal {
    let why = "the gateway does not know this command: it may be of another version".to_owned();
    Refusal { status: StatusCode::NOT_FOUND, why }
}
