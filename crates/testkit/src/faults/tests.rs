use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Instant;

use super::*;
use crate::wait::{DEADLINE, until};

/// How long something is waited for that must not come.
const SILENCE: Duration = Duration::from_millis(60);
/// Longer than any test lasts.
const LONG: Duration = Duration::from_secs(600);

/// What a server has seen.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Connection,
    Text(String),
    End,
    Reset,
}

/// A server that answers `a` with `A` and says `BYE` when nothing more comes, and a proxy before it.
struct Bed {
    proxy: FaultProxy,
    seen: Receiver<Seen>,
}

impl Bed {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (notes, seen) = channel();
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let notes = notes.clone();
                thread::spawn(move || {
                    // Whoever looks may have gone, here and below.
                    let _noted = notes.send(Seen::Connection);
                    let mut chunk = [0; 64 * 1024];
                    let last = loop {
                        match client.read(&mut chunk) {
                            Ok(0) => break Seen::End,
                            Ok(count) => {
                                let text = String::from_utf8_lossy(&chunk[..count]).into_owned();
                                let _answered = client.write_all(text.to_uppercase().as_bytes());
                                let _noted = notes.send(Seen::Text(text));
                            }
                            Err(_) => break Seen::Reset,
                        }
                    };
                    let _said = client.write_all(b"BYE");
                    let _noted = notes.send(last);
                });
            }
        });
        Self { proxy: FaultProxy::start_marking(address, "listen").unwrap(), seen }
    }

    /// A connection that the server has seen.
    fn connect(&self) -> TcpStream {
        let client = self.knock();
        assert_eq!(self.saw(), Seen::Connection);
        client
    }

    fn knock(&self) -> TcpStream {
        TcpStream::connect(self.proxy.address()).unwrap()
    }

    fn saw(&self) -> Seen {
        self.seen.recv_timeout(DEADLINE).unwrap()
    }

    #[track_caller]
    fn saw_nothing(&self) {
        let seen = self.seen.recv_timeout(SILENCE);
        assert!(seen.is_err(), "{seen:?}");
    }

    /// Asks, and waits until the server has seen it and the client the answer.
    #[track_caller]
    fn works(&self, client: &mut TcpStream) {
        say(client, "a");
        assert_eq!(self.saw(), Seen::Text("a".to_owned()));
        assert_eq!(hear(client), Ok("A".to_owned()));
    }
}

fn say(client: &mut TcpStream, text: &str) {
    client.write_all(text.as_bytes()).unwrap();
}

/// What comes next; nothing at the end.
fn hear(client: &mut TcpStream) -> Result<String, ErrorKind> {
    hear_within(client, DEADLINE)
}

fn hear_within(client: &mut TcpStream, time: Duration) -> Result<String, ErrorKind> {
    client.set_read_timeout(Some(time)).unwrap();
    let mut chunk = [0; 1024];
    let count = client.read(&mut chunk).map_err(|error| error.kind())?;
    Ok(String::from_utf8_lossy(&chunk[..count]).into_owned())
}

#[track_caller]
fn hears_nothing(client: &mut TcpStream) {
    assert_eq!(hear_within(client, SILENCE), Err(ErrorKind::WouldBlock));
}

/// Reads so many bytes.
fn hear_all(client: &mut TcpStream, count: usize) -> String {
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut bytes = vec![0; count];
    client.read_exact(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn without_a_fault_everything_passes_and_so_does_the_end_of_one_half() {
    let bed = Bed::new();
    let mut client = bed.connect();
    bed.works(&mut client);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(bed.saw(), Seen::End);
    assert_eq!(hear(&mut client), Ok("BYE".to_owned()));
    assert_eq!(hear(&mut client), Ok(String::new()));
    drop(client);
    until("the connection to be forgotten", || (bed.proxy.open() == 0).then_some(()));
}

#[test]
fn a_delay_holds_up_one_direction_or_both_until_it_is_taken_away() {
    let bed = Bed::new();
    let mut client = bed.connect();
    bed.proxy.set(Direction::ToClient, Flow::Delayed(LONG));
    say(&mut client, "a");
    assert_eq!(bed.saw(), Seen::Text("a".to_owned()));
    hears_nothing(&mut client);
    bed.proxy.set(Direction::Both, Flow::Passes);
    assert_eq!(hear(&mut client), Ok("A".to_owned()));

    bed.proxy.set(Direction::ToServer, Flow::Delayed(LONG));
    say(&mut client, "b");
    bed.saw_nothing();
    bed.proxy.set(Direction::ToServer, Flow::Passes);
    assert_eq!((bed.saw(), hear(&mut client)), (Seen::Text("b".to_owned()), Ok("B".to_owned())));

    let delay = Duration::from_millis(30);
    bed.proxy.set(Direction::Both, Flow::Delayed(delay));
    let started = Instant::now();
    bed.works(&mut client);
    assert!(started.elapsed() >= delay * 2, "{:?}", started.elapsed());
}

#[test]
fn pieces_that_are_delayed_do_not_wait_for_each_other() {
    let bed = Bed::new();
    let mut client = bed.connect();
    client.set_nodelay(true).unwrap();
    let (delay, pieces) = (Duration::from_millis(100), 50);
    bed.proxy.set(Direction::ToServer, Flow::Delayed(delay));
    let started = Instant::now();
    for _ in 0..pieces {
        say(&mut client, "a");
        // So that they are read one by one.
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(hear_all(&mut client, pieces as usize), "A".repeat(pieces as usize));
    let took = started.elapsed();
    assert!(took >= delay && took < delay * pieces / 2, "{took:?}");
}

#[test]
fn a_throttled_line_carries_so_many_bytes_a_second() {
    let bed = Bed::new();
    let mut client = bed.connect();
    bed.proxy.set(Direction::ToServer, Flow::Throttled(NonZeroU32::new(10_000).unwrap()));
    let started = Instant::now();
    say(&mut client, &"a".repeat(4_000));
    assert_eq!(hear_all(&mut client, 4_000), "A".repeat(4_000));
    let took = started.elapsed();
    // The first and the last of eight steps need no waiting.
    assert!(took >= Duration::from_millis(300), "{took:?}");
    bed.proxy.set(Direction::ToServer, Flow::Passes);
    let started = Instant::now();
    say(&mut client, &"a".repeat(40_000));
    hear_all(&mut client, 40_000);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn what_is_held_is_known_and_arrives_in_order_when_it_may() {
    let bed = Bed::new();
    let mut client = bed.connect();
    bed.proxy.set(Direction::ToClient, Flow::Held);
    for text in ["one", "two"] {
        say(&mut client, text);
        assert_eq!(bed.saw(), Seen::Text(text.to_owned()));
    }
    until("both to be held", || bed.proxy.holds(Direction::ToClient, "ONETWO").then_some(()));
    assert!(!bed.proxy.holds(Direction::ToServer, "one") && !bed.proxy.holds(Direction::ToClient, "THREE"));
    hears_nothing(&mut client);
    bed.proxy.set(Direction::ToClient, Flow::Passes);
    assert_eq!(hear_all(&mut client, 6), "ONETWO");
    assert!(!bed.proxy.holds(Direction::ToClient, "ONE"));
}

#[test]
fn what_is_dropped_is_lost_in_its_direction_and_the_connection_stays_deaf_to_it() {
    let bed = Bed::new();
    let (mut deaf, mut mute, mut idle) = (bed.connect(), bed.connect(), bed.connect());
    bed.proxy.set(Direction::ToClient, Flow::Dropped);
    say(&mut deaf, "a");
    assert_eq!(bed.saw(), Seen::Text("a".to_owned()));
    hears_nothing(&mut deaf);
    bed.proxy.set(Direction::ToClient, Flow::Passes);
    bed.proxy.set(Direction::ToServer, Flow::Dropped);
    say(&mut mute, "a");
    bed.saw_nothing();
    bed.proxy.set(Direction::ToServer, Flow::Passes);
    say(&mut mute, "a");
    bed.saw_nothing();
    say(&mut deaf, "b");
    assert_eq!(bed.saw(), Seen::Text("b".to_owned()));
    hears_nothing(&mut deaf);
    // One that has lost nothing goes on, and so does whoever comes.
    bed.works(&mut idle);
    bed.works(&mut bed.connect());
}

#[test]
fn nobody_is_told_of_an_end_that_a_black_hole_swallows() {
    let bed = Bed::new();
    let client = bed.connect();
    bed.proxy.swallow();
    drop(client);
    bed.saw_nothing();
    assert_eq!(bed.proxy.open(), 1);
}

#[test]
fn a_fault_of_new_connections_leaves_the_open_ones_alone() {
    let bed = Bed::new();
    let mut old = bed.connect();
    bed.proxy.set_new(Direction::Both, Flow::Held);
    let mut new = bed.connect();
    say(&mut new, "a");
    bed.saw_nothing();
    bed.works(&mut old);
    bed.proxy.set(Direction::Both, Flow::Passes);
    assert_eq!((bed.saw(), hear(&mut new)), (Seen::Text("a".to_owned()), Ok("A".to_owned())));
}

#[test]
fn a_cut_is_a_reset_or_an_end_for_both_sides() {
    let bed = Bed::new();
    let mut client = bed.connect();
    bed.works(&mut client);
    bed.proxy.cut(Ending::Reset);
    assert_eq!(hear(&mut client), Err(ErrorKind::ConnectionReset));
    assert_eq!(bed.saw(), Seen::Reset);
    let mut client = bed.connect();
    bed.proxy.cut(Ending::Finish);
    assert_eq!(hear(&mut client), Ok(String::new()));
    assert_eq!(bed.saw(), Seen::End);
    assert_eq!(bed.proxy.open(), 0);
    bed.works(&mut bed.connect());
}

#[test]
fn a_proxy_that_refuses_does_not_listen_and_carries_what_is_open() {
    let bed = Bed::new();
    let mut client = bed.connect();
    for _ in 0..2 {
        bed.proxy.welcome(Arrival::Refused);
        let refused = TcpStream::connect(bed.proxy.address()).map_err(|error| error.kind());
        assert_eq!(refused.err(), Some(ErrorKind::ConnectionRefused));
        bed.works(&mut client);
        bed.proxy.heal();
        bed.works(&mut bed.connect());
        // The end of that one.
        assert_eq!(bed.saw(), Seen::End);
    }
}

#[test]
fn a_silent_proxy_accepts_and_answers_nothing_ever() {
    let bed = Bed::new();
    let mut client = bed.connect();
    bed.proxy.welcome(Arrival::Silent);
    let mut half_open = bed.knock();
    say(&mut half_open, "a");
    bed.saw_nothing();
    hears_nothing(&mut half_open);
    bed.works(&mut client);
    bed.proxy.heal();
    hears_nothing(&mut half_open);
    bed.works(&mut bed.connect());
    bed.proxy.cut(Ending::Reset);
    assert_eq!(hear(&mut half_open), Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_connection_is_marked_by_what_its_client_says_also_in_pieces() {
    let bed = Bed::new();
    let (mut marked, mut other) = (bed.connect(), bed.connect());
    for text in ["Listen, lis", "ten to all"] {
        say(&mut marked, text);
        assert_eq!(hear_all(&mut marked, text.len()), text.to_uppercase());
    }
    for text in ["lis-", "ten"] {
        say(&mut other, text);
        assert_eq!(hear_all(&mut other, text.len()), text.to_uppercase());
    }
    assert_eq!((bed.proxy.marked(), bed.proxy.open()), (1, 2));
    bed.proxy.set_marked(Direction::ToClient, Flow::Dropped);
    say(&mut marked, "a");
    hears_nothing(&mut marked);
    say(&mut other, "b");
    assert_eq!(hear(&mut other), Ok("B".to_owned()));
    assert_eq!(bed.proxy.cut_marked(Ending::Reset), 1);
    assert_eq!(hear(&mut marked), Err(ErrorKind::ConnectionReset));
    say(&mut other, "c");
    assert_eq!(hear(&mut other), Ok("C".to_owned()));
}

#[test]
fn a_server_that_is_away_is_told_by_a_reset() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = FaultProxy::start(nobody).unwrap();
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    assert_eq!(hear(&mut client), Err(ErrorKind::ConnectionReset));
}

#[test]
fn what_is_open_ends_with_the_proxy() {
    let bed = Bed::new();
    let mut client = bed.connect();
    bed.works(&mut client);
    let Bed { proxy, seen } = bed;
    let address = proxy.address();
    drop(proxy);
    assert!(matches!(hear(&mut client).as_deref(), Ok("") | Err(ErrorKind::ConnectionReset)));
    assert!(matches!(seen.recv_timeout(DEADLINE), Ok(Seen::End | Seen::Reset)));
    assert!(TcpStream::connect(address).is_err());
}
