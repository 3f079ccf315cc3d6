//! The runner on targets inside this process: those that end while they are judged, and cases that cannot be tried.

use std::{
    net,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use clerk_mcp_conformance::{
    case::Catalogue,
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

/// A server that some requests end.
struct Mortal {
    ended: Arc<AtomicBool>,
}

impl Running for Mortal {
    fn ended(&self) -> Option<Ended> {
        self.ended.load(Ordering::SeqCst).then(|| Ended {
            exit: Some(139),
            output: "that was all".to_owned(),
        })
    }
}

/// Challenges everybody, until a request comes that `ends` it.
fn mortal(ends: fn(&Request) -> bool) -> Launcher {
    Arc::new(move |environment| {
        Box::pin(async move {
            let ended = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&ended);
            let address = format!("127.0.0.1:{}", environment["PORT"]);
            let acceptor = TcpListener::bind(address).into_acceptor().await.unwrap();
            let endpoint = make_sync(move |request| {
                flag.fetch_or(ends(&request), Ordering::SeqCst);
                let challenge = r#"Bearer resource_metadata="http://127.0.0.1/""#;
                Response::builder()
                    .status(StatusCode::UNAUTHORIZED)
                    .header(header::WWW_AUTHENTICATE, challenge)
                    .finish()
            });
            tokio::spawn(Server::new_with_acceptor(acceptor).run(endpoint));
            Ok(Box::new(Mortal { ended }) as Box<dyn Running>)
        })
    })
}

#[tokio::test]
async fn a_target_that_dies_is_a_failure_of_the_case_that_ended_it_alone() {
    let target = TargetOptions::Inside(mortal(|request| request.method() == Method::DELETE));
    let only = [
        "challenges.no-token",
        "challenges.delete",
        "challenges.tools-list",
    ];
    let results = runner::run(&Catalogue::built_in().unwrap(), &options(target, &only), &())
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
            "it ended with exit code 139; the last it printed:\nthat was all"
        );
    }
}

#[tokio::test]
async fn a_target_that_cannot_be_started_again_is_trouble() {
    let first = mortal(|request| request.method() == Method::DELETE);
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
    let trouble = runner::run(&Catalogue::built_in().unwrap(), &options, &())
        .await
        .unwrap_err();
    assert_eq!(
        trouble.to_string(),
        "the target ended during the run and could not be restarted: the target did not start: it ended with exit code \
         1; the last it printed:\nthe lock is taken"
    );
}

/// Takes every token, until a request comes that `ends` it.
fn open_until(ends: fn(&Request) -> bool) -> Launcher {
    Arc::new(move |environment| {
        Box::pin(async move {
            let ended = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&ended);
            let address = format!("127.0.0.1:{}", environment["PORT"]);
            let acceptor = TcpListener::bind(address).into_acceptor().await.unwrap();
            let endpoint = make_sync(move |request: Request| {
                flag.fetch_or(ends(&request), Ordering::SeqCst);
                if flag.load(Ordering::SeqCst) || request.header(header::AUTHORIZATION).is_none() {
                    return Response::builder().status(StatusCode::UNAUTHORIZED).finish();
                }
                Response::builder()
                    .content_type("application/json")
                    .body(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#)
            });
            tokio::spawn(Server::new_with_acceptor(acceptor).run(endpoint));
            Ok(Box::new(Mortal { ended }) as Box<dyn Running>)
        })
    })
}

/// The shared target, which a case with a target of its own sends its control to, may just have been ended by another.
#[tokio::test]
async fn a_control_is_sent_again_when_the_shared_target_had_ended() {
    let file = r#"
        number = 1
        section = "a"
        title = "A"
        [[case]]
        id = "a.b"
        requirement = "An outage is said."
        level = "must"
        refs = ["rfc6750#3.1"]
        why = "It must be."
        own = {}
        token = { kind = "any" }
        expect = { status = 503 }
    "#;
    let catalogue = Catalogue::parse(vec![("a.toml".to_owned(), file.to_owned())]).unwrap();
    let first = open_until(|request| request.header(header::AUTHORIZATION).is_some());
    let others = open_until(|_| false);
    let starts = AtomicUsize::new(0);
    let launch: Launcher = Arc::new(move |environment| {
        if starts.fetch_add(1, Ordering::SeqCst) == 0 {
            return first(environment);
        }
        others(environment)
    });
    let results = runner::run(&catalogue, &options(TargetOptions::Inside(launch), &[]), &())
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
async fn a_port_that_another_program_took_is_left_to_it() {
    let last = mortal(|_| false);
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
                output: "another program listens there".to_owned(),
            })
        })
    });
    let options = options(TargetOptions::Inside(launch), &["challenges.no-token"]);
    let results = runner::run(&Catalogue::built_in().unwrap(), &options, &())
        .await
        .unwrap();
    assert_eq!(results.cases[0].outcome, Outcome::Pass);
    assert_eq!(taken.lock().len(), 2);
}

/// It takes connections, for the system does that, and never says anything.
#[tokio::test]
async fn a_target_that_hangs_is_waited_for_no_longer_than_said() {
    struct Hanging(#[expect(dead_code, reason = "it listens for as long as it is held")] net::TcpListener);
    impl Running for Hanging {}
    let launch: Launcher = Arc::new(|environment| {
        Box::pin(async move {
            let address = format!("127.0.0.1:{}", environment["PORT"]);
            Ok(Box::new(Hanging(net::TcpListener::bind(address).unwrap())) as Box<dyn Running>)
        })
    });
    let mut options = options(TargetOptions::Inside(launch), &[]);
    options.timeout = Duration::from_mins(10);
    options.start_timeout = Duration::from_secs(1);
    let catalogue = Catalogue::built_in().unwrap();
    let trouble = timeout(Duration::from_secs(30), runner::run(&catalogue, &options, &()))
        .await
        .expect("it is given up in time")
        .unwrap_err();
    assert_eq!(trouble.to_string(), "the target was not ready within 1 s");
}

/// Tells which cases have a result.
struct Told(UnboundedSender<String>);

impl Progress for Told {
    fn started(&self, _: usize) {}

    fn finished(&self, id: &str, _: Outcome) {
        let _ = self.0.send(id.to_owned());
    }
}

#[tokio::test]
async fn cases_that_wait_do_not_hold_up_the_others() {
    let cases = [("one", "600s"), ("two", "600s"), ("other", "0s")].map(|(id, pause)| {
        format!(
            "[[case]]\nid = \"a.{id}\"\nrequirement = \"It is refused.\"\nlevel = \"must\"\nrefs = [\"rfc6750#3.1\"]\n\
             why = \"It must be.\"\n[[case.steps]]\npause = \"{pause}\"\nexpect = {{ status = 401 }}\n"
        )
    });
    let file = format!("number = 1\nsection = \"a\"\ntitle = \"A\"\n{}", cases.concat());
    let catalogue = Catalogue::parse(vec![("a.toml".to_owned(), file)]).unwrap();
    let (sender, mut told) = unbounded_channel();
    let options = options(TargetOptions::Inside(mortal(|_| false)), &[]);
    let progress = Told(sender);
    let first = tokio::select! {
        _ = runner::run(&catalogue, &options, &progress) => panic!("it waits for ten minutes"),
        first = timeout(Duration::from_secs(30), told.recv()) => first,
    };
    assert_eq!(
        first.expect("the other case is tried").as_deref(),
        Some("a.other")
    );
}

#[tokio::test]
async fn a_misspelt_placeholder_is_no_reason_to_pass_a_case_over() {
    let file = r#"
        number = 1
        section = "a"
        title = "A"
        [[case]]
        id = "a.b"
        requirement = "A path is found."
        level = "must"
        refs = ["rfc6750#3.1"]
        why = "It must be."
        send = { path = "{mpc}" }
        expect = { status = 401 }
    "#;
    let catalogue = Catalogue::parse(vec![("a.toml".to_owned(), file.to_owned())]).unwrap();
    let target = TargetOptions::Inside(mortal(|_| false));
    let results = runner::run(&catalogue, &options(target, &[]), &()).await.unwrap();
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
