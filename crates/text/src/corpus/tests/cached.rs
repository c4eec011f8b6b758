//! The cache: what is found again, what is not, and what is deleted.

use std::time::{Duration, SystemTime};

use kiln_files::WholeFolder;

use super::*;

struct Cache {
    place: Place,
    file: PathBuf,
}

impl Cache {
    fn new() -> Self {
        let place = Place::new();
        let file = place.write("x.txt", "a b\n");
        Self { place, file }
    }

    fn path(&self) -> PathBuf {
        self.place.path("cache")
    }

    /// The corpus, and whether it was tokenised for that.
    fn get(&self) -> (Corpus, bool) {
        let mut reports = 0;
        let corpus = cached(
            &Inputs::find(std::slice::from_ref(&self.file), Reading::default()).unwrap(),
            &tokenizer(),
            &self.path(),
            &PrepareSettings::default(),
            &mut |_| reports += 1,
        );
        (corpus.unwrap(), reports > 0)
    }

    fn text(&self) -> (String, bool) {
        let (corpus, is_new) = self.get();
        (contents(&corpus).unwrap().concat().concat(), is_new)
    }

    fn set_modified(&self, time: SystemTime) {
        let file = fs::File::options().write(true).open(&self.file).unwrap();
        file.set_modified(time).unwrap();
    }
}

#[test]
fn a_file_rewritten_with_the_same_size_and_time_is_tokenised_again() {
    let cache = Cache::new();
    let time = SystemTime::now() - Duration::from_secs(1000);
    cache.set_modified(time);
    assert_eq!(cache.text(), ("a b".to_string(), true));
    fs::write(&cache.file, "c d\n").unwrap();
    cache.set_modified(time);
    assert_eq!(cache.text(), ("c d".to_string(), true));
    assert_eq!(cache.text(), ("c d".to_string(), false));
    // The first one is still there for its runs.
    fs::write(&cache.file, "a b\n").unwrap();
    assert_eq!(cache.text(), ("a b".to_string(), false));
}

#[test]
fn a_file_that_was_touched_or_written_again_alike_is_not_tokenised_again() {
    let cache = Cache::new();
    assert!(cache.get().1);
    cache.set_modified(SystemTime::now() - Duration::from_secs(5));
    assert!(!cache.get().1);
    fs::remove_file(&cache.file).unwrap();
    fs::write(&cache.file, "a b\n").unwrap();
    assert!(!cache.get().1);
    // What is remembered of the file may be damaged or gone.
    for entry in fs::read_dir(cache.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.to_string_lossy().ends_with(".files.json") {
            fs::write(&path, "{").unwrap();
        }
    }
    assert_eq!(cache.text().0, "a b");
    assert_eq!(cache.text(), ("a b".to_string(), false));
}

#[cfg(unix)]
#[test]
fn a_file_is_not_found_again_by_a_name_that_says_that_it_is_something_else() {
    let place = Place::new();
    let text = place.write("data", "a b\n{\"text\": \"c\"}\n");
    let get = |name: &str| {
        let link = place.path(name);
        std::os::unix::fs::symlink(&text, &link).unwrap();
        let corpus = cached(
            &Inputs::find(&[link], skipping()).unwrap(),
            &tokenizer(),
            &place.path("cache"),
            &PrepareSettings::default(),
            &mut |_| {},
        );
        contents(&corpus.unwrap()).unwrap().len()
    };
    assert_eq!((get("a.txt"), get("a.jsonl.gz")), (1, 1));
    let corpora = list_cache(&place.path("cache")).unwrap().0;
    let corpora = corpora.iter().filter_map(|entry| match &entry.kind {
        EntryKind::Corpus(header) => Some(header.skipped_records),
        _ => None,
    });
    let mut skipped: Vec<u64> = corpora.collect();
    skipped.sort();
    assert_eq!(skipped, [0, 1]);
}

#[test]
fn what_a_killed_run_left_is_cleared_with_its_lock_and_what_is_being_made_stays() {
    let cache = Cache::new();
    let at = |name: &str| cache.path().join(name);
    let dead = ".tmp-0123456789abcdef0123456789abcdef-999999-0";
    fs::create_dir_all(at(dead)).unwrap();
    fs::write(at(dead).join(TOKENS_FILE), "half").unwrap();
    fs::write(at(&format!("{dead}.lock")), "").unwrap();
    let living = WholeFolder::create(&at("1123456789abcdef0123456789abcdef")).unwrap();

    let cleared = clear_cache(&cache.path(), Duration::ZERO).unwrap();
    assert_eq!(cleared.deleted.len(), 1);
    assert_eq!(cleared.deleted[0].kind, EntryKind::Leftover);
    assert_eq!(cleared.in_use.len(), 1);
    assert_eq!(cleared.foreign, Vec::<PathBuf>::new());
    assert!(living.path().exists());
    drop(living);
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
}

#[test]
fn clearing_deletes_what_is_kilns_and_not_in_use_and_says_what() {
    let cache = Cache::new();
    let (open, _) = cache.get();
    note_run(open.path().unwrap(), &PathBuf::from("/runs/first")).unwrap();
    note_run(open.path().unwrap(), &PathBuf::from("/runs/first")).unwrap();
    let foreign = ["notes.txt", "0123456789abcdef0123456789abcdef", "folder"];
    fs::write(cache.path().join(foreign[0]), "mine").unwrap();
    for name in &foreign[1..] {
        fs::create_dir(cache.path().join(name)).unwrap();
        fs::write(cache.path().join(name).join("mine.txt"), "mine").unwrap();
    }
    let leftover = cache
        .path()
        .join(".0123456789abcdef0123456789abcdef.partial-x");
    fs::create_dir(&leftover).unwrap();
    fs::write(leftover.join(TOKENS_FILE), "half").unwrap();
    let damaged = cache.path().join("1123456789abcdef0123456789abcdef");
    fs::create_dir(&damaged).unwrap();
    fs::write(damaged.join("header.json"), "{").unwrap();

    let (entries, others) = list_cache(&cache.path()).unwrap();
    let corpus = entries
        .iter()
        .find(|entry| matches!(&entry.kind, EntryKind::Corpus(header) if header.num_tokens == 2))
        .unwrap();
    assert!(corpus.is_in_use && corpus.bytes > 100);
    assert_eq!(corpus.runs, [PathBuf::from("/runs/first")]);
    assert_eq!(others.len(), 3);
    assert_eq!(entries.len(), 4, "{entries:?}");
    assert!(cache_bytes(&cache.path()) > corpus.bytes);

    let day = Duration::from_secs(86_400);
    let cleared = clear_cache(&cache.path(), day).unwrap();
    assert_eq!((cleared.deleted.len(), cleared.young.len()), (0, 2));
    let cleared = clear_cache(&cache.path(), Duration::ZERO).unwrap();
    // The corpus, and the hashes by which it is found again.
    assert_eq!((cleared.deleted.len(), cleared.in_use.len()), (2, 2));
    assert!(!cache.get().1);
    // The one in use can be read to its end.
    assert_eq!(contents(&open).unwrap(), [["a b"]]);
    open.verify().unwrap();
    drop(open);
    let cleared = clear_cache(&cache.path(), Duration::ZERO).unwrap();
    assert_eq!((cleared.deleted.len(), cleared.foreign.len()), (2, 3));
    let mut left: Vec<String> = fs::read_dir(cache.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, [foreign[1], foreign[2], foreign[0]]);
    assert!(cache.get().1, "tokenised again");
    let nowhere = cache.place.path("nowhere");
    assert_eq!(list_cache(&nowhere).unwrap(), (vec![], vec![]));
    assert_eq!(cache_bytes(&nowhere), 0);
}

#[test]
fn what_an_interrupted_deletion_left_is_in_nobodys_way() {
    let cache = Cache::new();
    let (corpus, _) = cache.get();
    let folder = corpus.path().unwrap().to_path_buf();
    drop(corpus);
    fs::remove_file(folder.join("header.json")).unwrap();
    assert_eq!(cache.text(), ("a b".to_string(), true));
    assert_eq!(cache.text(), ("a b".to_string(), false));

    // The next one is whole under its name, or not there.
    let name = folder.file_name().unwrap().to_str().unwrap();
    let aside = cache.path().join(format!(".{name}.partial-cleared"));
    fs::create_dir(&aside).unwrap();
    fs::write(aside.join(TOKENS_FILE), "half").unwrap();
    assert_eq!(cache.text(), ("a b".to_string(), false));
    let cleared = clear_cache(&cache.path(), Duration::ZERO).unwrap();
    assert_eq!(cleared.deleted.len(), 3);
    assert_eq!(cleared.deleted[0].kind, EntryKind::Leftover);
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);

    // What is somebody's own is not taken for a shard, nor deleted.
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine.txt"), "mine").unwrap();
    let error = cached(
        &Inputs::find(std::slice::from_ref(&cache.file), Reading::default()).unwrap(),
        &tokenizer(),
        &cache.path(),
        &PrepareSettings::default(),
        &mut |_| {},
    );
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with(": exists already; choose another folder or remove it"),
        "{error}"
    );
    assert!(folder.join("mine.txt").exists());
}

#[test]
fn a_shard_that_is_opened_while_somebody_asks_whether_it_is_in_use_is_in_use() {
    let cache = Cache::new();
    let (corpus, _) = cache.get();
    let folder = corpus.path().unwrap().to_path_buf();
    drop(corpus);
    let asked = fs::File::open(folder.join("header.json")).unwrap();
    asked.try_lock().unwrap();
    let asking = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        drop(asked);
    });
    let corpus = Corpus::open(&folder, &tokenizer()).unwrap();
    asking.join().unwrap();
    let is_in_use = |folder: &Path| {
        let entries = list_cache(&cache.path()).unwrap().0;
        entries
            .iter()
            .any(|entry| entry.path == folder && entry.is_in_use)
    };
    assert!(is_in_use(&folder));
    drop(corpus);
    assert!(!is_in_use(&folder));
}

#[test]
fn files_left_out_are_those_of_now_in_folders_and_those_of_the_text_in_archives() {
    let cache = Cache::new();
    let place = &cache.place;
    let folder = place.path("text");
    fs::create_dir(&folder).unwrap();
    place.write("text/a.txt", "a b\n");
    let packed = super::kinds::zip(&[("b.txt", b"c"), ("b.png", b"\x89PNG\0")]);
    place.write("text/b.zip", packed);
    let mut found = Vec::new();
    for name in ["c.png", "d.pdf"] {
        let content: &[u8] = if name == "c.png" {
            b"\x89PNG\0"
        } else {
            b"%PDF-1.7\n"
        };
        place.write(&format!("text/{name}"), content);
        let mut reports = 0;
        let corpus = cached(
            &Inputs::find(std::slice::from_ref(&folder), Reading::default()).unwrap(),
            &tokenizer(),
            &cache.path(),
            &PrepareSettings::default(),
            &mut |_| reports += 1,
        )
        .unwrap();
        let counted = corpus.header().unwrap().counted();
        found.push((reports > 0, counted.left_out.to_string()));
    }
    let image = |name: &str| folder.join(name).display().to_string();
    let images = format!("a PNG image: 2 ({}, …)", image("c.png"));
    let both = format!("a PDF document: 1 ({}); {images}", image("d.pdf"));
    assert_eq!(found, [(true, images), (false, both)]);
}

const TOKENS_FILE: &str = "tokens.bin";
