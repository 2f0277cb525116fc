//! The servers of tests are real, do as they are told, and go.

use redis_servers::{Cluster, Options, PROGRAMS, Program, Replicas, Server, Tls, until};

#[tokio::test]
async fn a_server_ends_with_whoever_started_it() {
    for program in PROGRAMS {
        let server = Options::of(program).start().await.unwrap();
        let (directory, port) = (server.directory().to_owned(), server.port());
        assert!(directory.is_dir());
        drop(server);
        assert!(!directory.exists());
        assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
    }
}

#[tokio::test]
async fn what_is_durable_outlives_a_kill_and_nothing_else_does() {
    for program in PROGRAMS {
        for is_durable in [true, false] {
            let options = Options::of(program);
            let options = if is_durable { options.durable() } else { options };
            let mut server = options.start().await.unwrap();
            server.command(&["SET", "key", "value"]).await.unwrap();
            server.kill();
            assert!(server.command(&["PING"]).await.is_err());
            server.restart().await.unwrap();
            let kept = server.text(&["GET", "key"]).await;
            assert_eq!(kept, if is_durable { "value" } else { "" });
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_start_tells_why() {
    let error = Options::default().set("no-such-directive", "1").start().await.unwrap_err();
    assert!(error.to_string().contains("no-such-directive"), "{error}");
}

#[tokio::test]
async fn a_cluster_puts_a_replica_in_the_place_of_a_master_that_was_killed() {
    for program in PROGRAMS {
        let mut cluster = Cluster::start(program, 500).await.unwrap();
        assert_eq!(cluster.master_of(0, 0).await, Some(0));
        cluster.nodes_mut()[0].kill();
        let follows = async || cluster.master_of(0, 1).await.filter(|master| *master != 0);
        assert_eq!(until("another is the master", follows).await.unwrap(), 3);
    }
}

#[tokio::test]
async fn sentinels_put_the_replica_in_the_place_of_a_master_that_stands_still() {
    for program in PROGRAMS {
        let replicas = Replicas::start(program, 500).await.unwrap();
        replicas.servers()[0].pause();
        replicas.is_master(1).await.unwrap();
    }
}

#[tokio::test]
async fn tls_shows_a_certificate_that_its_own_authority_has_signed() {
    let tls = Tls::start(Options::of(Program::Redis)).await.unwrap();
    assert!(tls.server().text(&["PING"]).await == "PONG");
    let port = tls.url().rsplit(':').next().unwrap().parse::<u16>().unwrap();
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
}

#[tokio::test]
async fn a_server_that_was_stopped_goes_on() {
    let server = Server::start().await.unwrap();
    server.pause();
    let asked = server.command(&["PING"]);
    let late = tokio::time::timeout(std::time::Duration::from_millis(100), asked).await;
    assert!(late.is_err() || late.is_ok_and(|answer| answer.is_err()));
    server.resume();
    assert_eq!(server.text(&["PING"]).await, "PONG");
}
