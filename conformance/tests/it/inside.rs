//! The runner with targets inside this process, which exit, hang or fail to start at chosen moments.

use std::{
    net,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use clerk_mcp_conformance::{
    case::Catalog,
    profile::Profile,
    results::Outcome,
    runner::{self, Options, Progress, Selection, TargetOptions},
    target::{Ended, Launcher, Running},
};
use parking_lot::Mutex;
use poem::{
    Request, Response, Server,
    endpoint::make_sync,
    http::{Method, StatusCode, header},
    listener::{Listener as _, TcpListener},
};
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    time::timeout,
};

/// A server that exits when it receives certain requests.
struct ExitingTarget {
    ended: Arc<AtomicBool>,
}

impl Running for ExitingTarget {
    fn ended(&self) -> Option<Ended> {
        self.ended.load(Ordering::SeqCst).then(|| Ended {
            exit: Some(139),
            output: "that was all".to_owned(),
        })
    }
}

/// Returns a launcher for a server that rejects every request, and exits when `exits` returns true for a
/// request.
fn rejecting_until(exits: fn(&Request) -> bool) -> Launcher {
    Arc::new(move |environment| {
        Box::pin(async move {
            let ended = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&ended);
            let address = format!("127.0.0.1:{}", environment["PORT"]);
            let acceptor = TcpListener::bind(address).into_acceptor().await.unwrap();
            let endpoint = make_sync(move |request| {
                flag.fetch_or(exits(&request), Ordering::SeqCst);
                let challenge = r#"Bearer resource_metadata="http://127.0.0.1/""#;
                Response::builder()
                    .status(StatusCode::UNAUTHORIZED)
                    .header(header::WWW_AUTHENTICATE, challenge)
                    .finish()
            });
            tokio::spawn(Server::new_with_acceptor(acceptor).run(endpoint));
            Ok(Box::new(ExitingTarget { ended }) as Box<dyn Running>)
        })
    })
}

#[tokio::test]
async fn target_exit_fails_only_the_case_that_caused_it() {
    let target = TargetOptions::Inside(rejecting_until(|request| request.method() == Method::DELETE));
    let only = [
        "challenges.no-token",
        "challenges.delete",
        "challenges.tools-list",
    ];
    let results = runner::run(&Catalog::built_in().unwrap(), &options(target, &only), &())
        .await
        .unwrap();
    for case in &results.cases {
        if case.id != "challenges.delete" {
            assert_eq!(case.outcome, Outcome::Pass, "{}", case.id);
            continue;
        }
        assert_eq!(case.outcome, Outcome::Fail);
        assert_eq!(case.findings[0].expected, "the target keeps running");
        assert_eq!(
            case.findings[0].actual,
            "it exited with code 139; its last output:\nthat was all"
        );
    }
}

#[tokio::test]
async fn run_fails_if_the_target_cannot_be_restarted() {
    let first = rejecting_until(|request| request.method() == Method::DELETE);
    let starts = AtomicUsize::new(0);
    let launch: Launcher = Arc::new(move |environment| {
        if starts.fetch_add(1, Ordering::SeqCst) == 0 {
            return first(environment);
        }
        Box::pin(async {
            Err(Ended {
                exit: Some(1),
                output: "the lock is taken".to_owned(),
            })
        })
    });
    let options = options(TargetOptions::Inside(launch), &["challenges.delete"]);
    let error = runner::run(&Catalog::built_in().unwrap(), &options, &())
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the target ended during the run and could not be restarted: the target did not start: it exited with code 1; \
         its last output:\nthe lock is taken"
    );
}

/// Returns a launcher for a server that accepts every token, and exits when `exits` returns true for a
/// request.
fn accepting_until(exits: fn(&Request) -> bool) -> Launcher {
    Arc::new(move |environment| {
        Box::pin(async move {
            let ended = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&ended);
            let address = format!("127.0.0.1:{}", environment["PORT"]);
            let acceptor = TcpListener::bind(address).into_acceptor().await.unwrap();
            let endpoint = make_sync(move |request: Request| {
                flag.fetch_or(exits(&request), Ordering::SeqCst);
                if flag.load(Ordering::SeqCst) || request.header(header::AUTHORIZATION).is_none() {
                    return Response::builder().status(StatusCode::UNAUTHORIZED).finish();
                }
                Response::builder()
                    .content_type("application/json")
                    .body(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
            });
            tokio::spawn(Server::new_with_acceptor(acceptor).run(endpoint));
            Ok(Box::new(ExitingTarget { ended }) as Box<dyn Running>)
        })
    })
}

/// A case with its own target sends its control to the shared target, which another case may have just
/// terminated.
#[tokio::test]
async fn control_is_repeated_if_the_shared_target_exited() {
    let file = r#"
        number = 1
        section = "a"
        title = "A"
        [[case]]
        id = "a.b"
        requirement = "The server reports an outage."
        level = "must"
        refs = ["rfc6750#3.1"]
        why = "Otherwise clients cannot react."
        own = {}
        token = { kind = "any" }
        expect = { status = 503 }
    "#;
    let catalog = Catalog::parse(vec![("a.toml".to_owned(), file.to_owned())]).unwrap();
    let first = accepting_until(|request| request.header(header::AUTHORIZATION).is_some());
    let others = accepting_until(|_| false);
    let starts = AtomicUsize::new(0);
    let launch: Launcher = Arc::new(move |environment| {
        if starts.fetch_add(1, Ordering::SeqCst) == 0 {
            return first(environment);
        }
        others(environment)
    });
    let results = runner::run(&catalog, &options(TargetOptions::Inside(launch), &[]), &())
        .await
        .unwrap();
    assert_eq!(
        results.cases[0].outcome,
        Outcome::Fail,
        "{:?}",
        results.cases[0].reason
    );
}

#[tokio::test]
async fn target_starts_on_another_port_if_the_port_is_taken() {
    let last = rejecting_until(|_| false);
    let taken: Arc<Mutex<Vec<net::TcpListener>>> = Arc::default();
    let others = Arc::clone(&taken);
    let launch: Launcher = Arc::new(move |environment| {
        let mut others = others.lock();
        if others.len() == 2 {
            return last(environment);
        }
        others.push(net::TcpListener::bind(format!("127.0.0.1:{}", environment["PORT"])).unwrap());
        Box::pin(async {
            Err(Ended {
                exit: Some(1),
                output: "the port is in use".to_owned(),
            })
        })
    });
    let options = options(TargetOptions::Inside(launch), &["challenges.no-token"]);
    let results = runner::run(&Catalog::built_in().unwrap(), &options, &())
        .await
        .unwrap();
    assert_eq!(results.cases[0].outcome, Outcome::Pass);
    assert_eq!(taken.lock().len(), 2);
}

/// The system accepts connections for the listener, but nothing ever answers.
#[tokio::test]
async fn start_timeout_applies_to_a_target_that_never_answers() {
    struct Hanging(
        #[expect(dead_code, reason = "the listener is closed when this is dropped")] net::TcpListener,
    );
    impl Running for Hanging {}
    let starts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&starts);
    let launch: Launcher = Arc::new(move |environment| {
        counter.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            let address = format!("127.0.0.1:{}", environment["PORT"]);
            Ok(Box::new(Hanging(net::TcpListener::bind(address).unwrap())) as Box<dyn Running>)
        })
    });
    let mut options = options(TargetOptions::Inside(launch), &[]);
    options.timeout = Duration::from_mins(10);
    options.start_timeout = Duration::from_secs(1);
    let catalog = Catalog::built_in().unwrap();
    let error = timeout(Duration::from_secs(30), runner::run(&catalog, &options, &()))
        .await
        .expect("the run ends in time")
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the target was not ready within 1 s, twice: if it starts slowly, give it more time with --start-timeout"
    );
    assert_eq!(starts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn target_that_is_not_ready_in_time_is_started_once_more() {
    struct Silent;
    impl Running for Silent {}
    let starts = AtomicUsize::new(0);
    let ready = rejecting_until(|_| false);
    let launch: Launcher = Arc::new(move |environment| match starts.fetch_add(1, Ordering::SeqCst) {
        0 => Box::pin(async { Ok(Box::new(Silent) as Box<dyn Running>) }),
        _ => ready(environment),
    });
    let mut options = options(TargetOptions::Inside(launch), &["challenges.no-token"]);
    options.start_timeout = Duration::from_secs(1);
    let results = runner::run(&Catalog::built_in().unwrap(), &options, &())
        .await
        .unwrap();
    assert_eq!(results.cases[0].outcome, Outcome::Pass);
}

/// Sends the id of each case that has a result.
struct ProgressSender(UnboundedSender<String>);

impl Progress for ProgressSender {
    fn started(&self, _: usize) {}

    fn finished(&self, id: &str, _: Outcome) {
        let _ = self.0.send(id.to_owned());
    }
}

#[tokio::test]
async fn sleeping_cases_do_not_block_other_cases() {
    let cases = [("one", "600s"), ("two", "600s"), ("other", "0s")].map(|(id, pause)| {
        format!(
            "[[case]]\nid = \"a.{id}\"\nrequirement = \"The server rejects the request.\"\nlevel = \"must\"\nrefs = [\"rfc6750#3.1\"]\n\
             why = \"Otherwise clients cannot react.\"\n[[case.steps]]\npause = \"{pause}\"\nexpect = {{ status = 401 }}\n"
        )
    });
    let file = format!("number = 1\nsection = \"a\"\ntitle = \"A\"\n{}", cases.concat());
    let catalog = Catalog::parse(vec![("a.toml".to_owned(), file)]).unwrap();
    let (sender, mut finished) = unbounded_channel();
    let options = options(TargetOptions::Inside(rejecting_until(|_| false)), &[]);
    let progress = ProgressSender(sender);
    let first = tokio::select! {
        _ = runner::run(&catalog, &options, &progress) => panic!("the run ended before its ten-minute pause"),
        first = timeout(Duration::from_secs(30), finished.recv()) => first,
    };
    assert_eq!(
        first.expect("the other case has a result").as_deref(),
        Some("a.other")
    );
}

#[tokio::test]
async fn misspelled_placeholder_makes_a_case_not_testable() {
    let file = r#"
        number = 1
        section = "a"
        title = "A"
        [[case]]
        id = "a.b"
        requirement = "The server has this path."
        level = "must"
        refs = ["rfc6750#3.1"]
        why = "Otherwise clients cannot react."
        send = { path = "{mpc}" }
        expect = { status = 401 }
    "#;
    let catalog = Catalog::parse(vec![("a.toml".to_owned(), file.to_owned())]).unwrap();
    let target = TargetOptions::Inside(rejecting_until(|_| false));
    let results = runner::run(&catalog, &options(target, &[]), &()).await.unwrap();
    assert_eq!(results.cases[0].outcome, Outcome::NotTestable);
    assert_eq!(
        results.cases[0].reason.as_deref(),
        Some("{mpc} has no value in this run")
    );
}

fn options(target: TargetOptions, only: &[&str]) -> Options {
    Options {
        profile: Profile::find("generic").unwrap(),
        target,
        selection: Selection {
            only: only.iter().map(ToString::to_string).collect(),
            ..Selection::default()
        },
        baseline: None,
        jobs: 2,
        timeout: Duration::from_secs(10),
        start_timeout: Duration::from_secs(10),
        authority: None,
        rerun: String::new(),
    }
}
