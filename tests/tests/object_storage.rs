//! The object store behind `Store`, against moto's S3 server, and through a proxy that loses, cuts and refuses.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use convert::storage::{Creation, Holder, Lease, LocalStore, ObjectStorage, Store, Terms};
use convert_tests::s3_server::{Fate, FaultProxy, S3Server, environment};

const PATIENCE: Duration = Duration::from_secs(120);

fn open(port: u16, url: &str) -> ObjectStorage {
    ObjectStorage::open_in(url, environment(port), PATIENCE).expect("an address and an environment that are right")
}

/// Bytes that look like any, other ones for each seed.
fn bytes(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..length).map(|_| next()).collect()
}

/// What every store does, local ones too.
fn check_store(store: &dyn Store) {
    assert_eq!(store.get("a/missing").unwrap(), None);
    assert_eq!(store.list("nothing").unwrap(), BTreeMap::new());
    assert_eq!(store.create("a/one", b"0123456789").unwrap(), Creation::Created);
    assert_eq!(store.create("a/one", b"other").unwrap(), Creation::AlreadyThere);
    assert_eq!(store.get("a/one").unwrap().unwrap(), "0123456789");
    assert_eq!(store.get_range("a/one", 2..5).unwrap(), "234");
    assert_eq!(store.get_range("a/one", 0..10).unwrap(), "0123456789");
    assert_eq!(store.get_range("a/one", 4..4).unwrap(), "");
    for beyond in [5..11, 10..11, 20..30] {
        store.get_range("a/one", beyond.clone()).expect_err("it ends before");
    }
    store.get_range("a/missing", 0..1).expect_err("it is not there");
    store.get_range("a/missing", 0..0).expect_err("it is not there");
    store.replace("a/one", b"new").unwrap();
    store.replace("a/deep/er", b"er").unwrap();
    store.replace("ab", b"no part of a").unwrap();
    assert_eq!(store.list("a").unwrap(), BTreeMap::from([("one".to_owned(), 3)]), "direct children only");

    let (there, first) = store.get_version("a/one").unwrap().unwrap();
    assert_eq!(there, "new");
    assert!(store.replace_version("a/one", b"second", &first).unwrap());
    assert!(!store.replace_version("a/one", b"third", &first).unwrap());
    assert!(!store.replace_version("a/none", b"third", &first).unwrap());
    assert_eq!(store.get_version("a/none").unwrap(), None);
    let (there, second) = store.get_version("a/one").unwrap().unwrap();
    assert!(there == "second" && first != second);

    store.rename_all("a", "b/c").unwrap();
    assert_eq!(store.list("a").unwrap(), BTreeMap::new());
    assert_eq!((store.get("b/c/one").unwrap().unwrap(), store.get("b/c/deep/er").unwrap().unwrap()), ("second".into(), "er".into()));
    store.rename_all("nothing", "anything").unwrap();
    store.delete("b/c/one").unwrap();
    store.delete("b/c/one").unwrap();
    assert_eq!(store.get("b/c/one").unwrap(), None);
    store.delete_all("b").unwrap();
    store.delete_all("b").unwrap();
    assert_eq!(store.get("b/c/deep/er").unwrap(), None);
    assert_eq!(store.get("ab").unwrap().unwrap(), "no part of a");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    for length in [0, 5, 20_000_000] {
        let content = bytes(length as u64, length);
        std::fs::write(&file, &content).unwrap();
        store.publish(&file, "published").unwrap();
        let fetched = folder.path().join("fetched");
        assert!(store.fetch("published", &fetched).unwrap());
        assert!(std::fs::read(&fetched).unwrap() == content && store.get("published").unwrap().unwrap() == content);
    }
    assert!(!store.fetch("missing", &folder.path().join("none")).unwrap());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "nothing is left where there is no object");
}

#[test]
fn a_folder_and_a_bucket_do_the_same() {
    let folder = tempfile::tempdir().unwrap();
    check_store(&LocalStore::new(folder.path().join("run")));
    let Some(server) = S3Server::start("a_folder_and_a_bucket_do_the_same") else { return };
    server.make_bucket("lab");
    check_store(&open(server.port(), "s3://lab/runs/first"));
    check_store(&open(server.port(), "s3://lab"));
    assert_eq!(open(server.port(), "s3://lab/runs/first").place("stages/x").to_str(), Some("s3://lab/runs/first/stages/x"));
}

#[test]
fn of_many_creators_one_is_first_and_its_bytes_stay() {
    let Some(server) = S3Server::start("of_many_creators_one_is_first_and_its_bytes_stay") else { return };
    server.make_bucket("lab");
    // moto looks whether there is an object, and writes later: it is shown one request at a time, as if it were one step.
    let proxy = FaultProxy::start(server.port(), true, |_| Fate::Answered);
    for round in 0..8 {
        let key = format!("shard-{round}");
        let winners: Vec<u8> = std::thread::scope(|scope| {
            let create = |writer: u8| {
                let key = &key;
                let port = proxy.port();
                scope.spawn(move || (open(port, "s3://lab/run").create(key, &[writer; 10_000]).unwrap() == Creation::Created).then_some(writer))
            };
            let threads: Vec<_> = (0..16).map(create).collect();
            threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(winners.len(), 1);
        assert_eq!(open(server.port(), "s3://lab/run").get(&key).unwrap().unwrap(), vec![winners[0]; 10_000]);
    }
}

#[test]
fn thousands_of_objects_are_listed_renamed_and_removed() {
    let Some(server) = S3Server::start("thousands_of_objects_are_listed_renamed_and_removed") else { return };
    server.make_bucket("lab");
    let store = open(server.port(), "s3://lab/run");
    use rayon::iter::{IntoParallelIterator, ParallelIterator};
    (0..2300).into_par_iter().for_each(|number| {
        assert_eq!(store.create(&format!("stages/x/shard-{number:05}.parquet"), &[1; 7]).unwrap(), Creation::Created);
    });
    let listed = store.list("stages/x").unwrap();
    assert!(listed.len() == 2300 && listed["shard-02299.parquet"] == 7);
    store.rename_all("stages/x", "before/x").unwrap();
    assert!(store.list("stages/x").unwrap().is_empty() && store.list("before/x").unwrap() == listed);
    store.delete_all("before").unwrap();
    assert!(store.list("before/x").unwrap().is_empty());
}

#[test]
fn what_is_lost_cut_and_refused_on_the_way_arrives_all_the_same() {
    let Some(server) = S3Server::start("what_is_lost_cut_and_refused_on_the_way_arrives_all_the_same") else { return };
    server.make_bucket("lab");
    let direct = open(server.port(), "s3://lab/run");
    for seed in [1, 2] {
        let proxy = FaultProxy::seeded(server.port(), true, seed);
        let through = open(proxy.port(), "s3://lab/run");
        let begun = Instant::now();
        let content = |number: u64| bytes(seed * 1000 + number, 3_000 * number as usize);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (through, direct) = (&through, &direct);
                scope.spawn(move || {
                    for number in (thread * 6)..(thread * 6 + 6) {
                        let key = format!("{seed}/{thread}/{number}");
                        through.create(&key, &content(number)).unwrap();
                        assert!(direct.get(&key).unwrap().unwrap() == content(number));
                        assert_eq!(through.create(&key, b"late").unwrap(), Creation::AlreadyThere);
                        assert!(through.get(&key).unwrap().unwrap() == content(number));
                        let (there, version) = through.get_version(&key).unwrap().unwrap();
                        assert!(there == content(number) && through.replace_version(&key, &content(number + 1), &version).unwrap());
                        assert!(!through.replace_version(&key, b"late", &version).unwrap());
                        assert_eq!(through.get_range(&key, 100..2_000).unwrap(), content(number + 1)[100..2_000]);
                    }
                    assert_eq!(through.list(&format!("{seed}/{thread}")).unwrap().len(), 6);
                });
            }
        });
        through.rename_all(&seed.to_string(), &format!("renamed/{seed}")).unwrap();
        for number in 0..48 {
            assert!(direct.get(&format!("renamed/{seed}/{}/{number}", number / 6)).unwrap().unwrap() == content(number + 1));
        }
        assert!(direct.list(&format!("{seed}/0")).unwrap().is_empty());
        let folder = tempfile::tempdir().unwrap();
        let (large, file, fetched) = (bytes(seed, 40_000_001), folder.path().join("large"), folder.path().join("fetched"));
        std::fs::write(&file, &large).unwrap();
        for round in 0..4 {
            through.publish(&file, &format!("large-{round}")).unwrap();
            assert!(direct.get(&format!("large-{round}")).unwrap().unwrap() == large);
            assert!(through.fetch(&format!("large-{round}"), &fetched).unwrap() && std::fs::read(&fetched).unwrap() == large);
        }
        through.delete_all("renamed").unwrap();
        assert!(direct.list(&format!("renamed/{seed}/0")).unwrap().is_empty());
        let fates = [Fate::Answered, Fate::Late, Fate::Busy, Fate::CutRequest, Fate::CutBeforeAnswer, Fate::CutAnswer];
        let counts = fates.map(|fate| proxy.count(fate));
        println!("seed {seed}: {counts:?} of {fates:?} in {:?}", begun.elapsed());
        assert!(counts.iter().all(|count| *count > 0), "{counts:?}");
    }
}

#[test]
fn a_lease_is_one_s_and_passes_on() {
    let Some(server) = S3Server::start("a_lease_is_one_s_and_passes_on") else { return };
    server.make_bucket("lab");
    let terms = Terms { beat: Duration::from_millis(200), silence: Duration::from_millis(2000) };
    let holder = |host: &str| Holder { host: host.into(), ..Holder::this() };
    let open = |port| -> Arc<dyn Store> { Arc::new(open(port, "s3://lab/run")) };
    let take = |port, host, patient| Lease::take(open(port), "lease.json", holder(host), terms, patient);
    // Everything of the first holder goes through here, until it does not.
    let away = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_away = Arc::clone(&away);
    let proxy = FaultProxy::start(server.port(), true, move |_| if is_away.load(Ordering::SeqCst) { Fate::CutRequest } else { Fate::Answered });

    let first = take(proxy.port(), "node-1", false).unwrap();
    let refused = take(proxy.port(), "node-2", true).unwrap_err().to_string();
    let process = std::process::id();
    assert!(refused.starts_with(&format!("node-1 (process {process}) has worked in s3://lab/run since 2")), "{refused}");
    assert!(refused.ends_with(" UTC; it is taken over when it was silent for 2 s"), "{refused}");
    assert!(!first.lost().load(Ordering::SeqCst));

    away.store(true, Ordering::SeqCst);
    let begun = Instant::now();
    let second = take(server.port(), "node-2", true).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(1800), "it was watched");
    std::thread::sleep(Duration::from_secs(1));
    assert!(first.lost().load(Ordering::SeqCst), "it was cut off, and knows it");
    away.store(false, Ordering::SeqCst);
    drop(first);
    assert!(!second.lost().load(Ordering::SeqCst) && take(server.port(), "node-3", false).is_err(), "the second still has it");
    drop(second);
    drop(take(server.port(), "node-3", false).unwrap());
    assert_eq!(open(server.port()).get("lease.json").unwrap(), None);
}

#[test]
fn what_is_wrong_for_good_is_one_line_at_once() {
    let Some(server) = S3Server::start("what_is_wrong_for_good_is_one_line_at_once") else { return };
    server.make_bucket("lab");
    let begun = Instant::now();
    let check = |store: &ObjectStorage, expected: &str| {
        let errors =
            [store.create("x", b"x").unwrap_err(), store.get("x").unwrap_err(), store.list("x").unwrap_err(), store.delete_all("x").unwrap_err()];
        for error in errors {
            assert_eq!(error.to_string(), expected);
            assert!(!convert_sdk::ErrorKind::of(&error).may_pass());
        }
    };
    let port = server.port();
    check(&open(port, "s3://none/run"), &format!("there is no bucket none at http://127.0.0.1:{port}: make it, or correct its name"));

    let without: Vec<_> = environment(port).into_iter().filter(|(name, _)| !name.contains("KEY")).collect();
    let nowhere = [("AWS_METADATA_ENDPOINT".to_owned(), "http://127.0.0.1:1".to_owned())];
    let store = ObjectStorage::open_in("s3://lab/run", without.into_iter().chain(nowhere), PATIENCE).unwrap();
    let help = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE to a profile with keys, or give this machine a role";
    check(&store, &format!("there are no credentials: {help}"));

    // From here on moto asks who is there.
    server.request("POST", "/moto-api/reset-auth", "0").unwrap();
    let wrong =
        format!("the credentials of AWS_ACCESS_KEY_ID are not accepted at http://127.0.0.1:{port} (403 InvalidAccessKeyId): correct or renew them");
    check(&open(port, "s3://lab/run"), &wrong);
    assert!(begun.elapsed() < Duration::from_secs(30), "nobody waits for it");
}

#[test]
fn what_does_not_answer_is_given_up_in_time_and_may_pass() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let store = ObjectStorage::open_in("s3://lab/run", environment(closed), Duration::from_secs(1)).unwrap();
    let begun = Instant::now();
    let error = store.create("x", b"x").unwrap_err();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let text = error.to_string();
    assert!(text.starts_with(&format!("no answer of http://127.0.0.1:{closed} for ")) && text.contains("Connection refused"), "{text}");
    assert!(convert_sdk::ErrorKind::of(&error).may_pass(), "{text}");
}
