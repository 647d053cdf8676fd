#include "names.hpp"

namespace millrace::sandbox::names {

namespace {

using Text = std::string_view;

constexpr Text first_names_table[] = {
    "Ana",    "Lukas",   "Marta",   "João",    "Zoë",    "Jürgen",   "Sofía",    "Aisha",  "Olga",    "Peter",   "Łukasz",  "Inês",
    "Karl",   "Mei",     "Dmitri",  "Noor",    "Søren",  "Amélie",   "Rafael",   "Hannah", "Björn",   "Chiara",  "Tomasz",  "Fátima",
    "Oliver", "Yuki",    "Émile",   "Beatriz", "Stefan", "Priya",    "Matteo",   "Ingrid", "Thiago",  "Anneke",  "Mustafa", "Leonie",
    "Viktor", "Camila",  "Florian", "Siobhán", "Andrés", "Katarína", "Moritz",   "Greta",  "Ibrahim", "Paula",   "Henrik",  "Lúcia",
    "Jan",    "Theresa", "Gabriel", "Anton",   "Nadia",  "Felix",    "Carolina", "Emre",   "Judith",  "Rodrigo", "Ewa",     "Sebastian"};

constexpr Text last_names_table[] = {
    "Müller",    "Schröder", "Silva",    "Kowalski",   "O'Brien", "García",    "Weiß",           "Nguyen",   "Lindqvist", "Rossi",
    "Schneider", "Almeida",  "Novák",    "Fischer",    "Haddad",  "Jørgensen", "Becker",         "Oliveira", "Hoffmann",  "Çelik",
    "Wójcik",    "Bauer",    "Ferreira", "Dubois",     "Krüger",  "Andersson", "Santos",         "Richter",  "Moreau",    "Tanaka",
    "Köhler",    "Pereira",  "van Dijk", "Zimmermann", "Costa",   "Horváth",   "Brandt",         "Sørensen", "Martínez",  "Vogel",
    "Petrović",  "Lange",    "Ribeiro",  "Ivanova",    "Schäfer", "De Luca",   "Winkler",        "Carvalho", "Bergström", "Engel",
    "Nowak",     "Peña",     "Graf",     "Sharma",     "Lehmann", "Barbosa",   "Ó Súilleabháin", "Groß",     "Moser",     "Teixeira"};

constexpr Text client_stems_table[] = {"Müller & Söhne",
                                       "Nordlicht Energie",
                                       "Bäckerei Schröder",
                                       "Açaí do Norte",
                                       "O'Brien & Partners",
                                       "Hafenlogistik Kiel",
                                       "Lumen Optik",
                                       "Grünwald Immobilien",
                                       "Castelo Seguros",
                                       "Vitalis Klinik",
                                       "Stadtwerke Öhringen",
                                       "Blue Heron Media",
                                       "Krüger Maschinenbau",
                                       "Praxis Dr. Weiß",
                                       "Alpenblick Hotels",
                                       "Meridian Freight",
                                       "São Bento Alimentos",
                                       "Kontor 17",
                                       "Fjord Seafood",
                                       "Tannhäuser Verlag",
                                       "Rheintal Versicherung",
                                       "Quantum Ledger",
                                       "Casa da Música",
                                       "Polarstern Reisen",
                                       "Elbe Pharma",
                                       "Garten & Zaun",
                                       "Solstice Solar",
                                       "Uhrenfabrik Glashütte",
                                       "Brückner Bau",
                                       "Ipanema Moda",
                                       "Wattwerk",
                                       "Zahnarztpraxis Köhler",
                                       "Orchard Foods",
                                       "Saarstahl Service",
                                       "Mar Azul Turismo",
                                       "Holzhof Allgäu",
                                       "\"Der Buchladen\" Leipzig",
                                       "Nimbus Cloud",
                                       "Ostsee Fähren",
                                       "Prisma Druck",
                                       "Sankt Georg Stiftung",
                                       "Vértice Engenharia"};

constexpr Text client_kinds_table[] = {"GmbH", "AG", "GmbH & Co. KG", "Ltd.", "Ltda.", "e.V.", "S.A.", "KG", "Inc.", "SE"};

constexpr Text streets_table[] = {"Hafenstraße",      "Lindenallee", "Rua Augusta",      "Marktplatz", "Königsweg",
                                  "Am Alten Bahnhof", "Bahnhofstr.", "Avenida Paulista", "Gartenweg",  "Schloßgasse"};
constexpr Text cities_table[] = {"20457 Hamburg", "80331 München",  "01304-001 São Paulo", "50667 Köln", "1010 Wien",
                                 "24103 Kiel",    "74613 Öhringen", "8001 Zürich",         "Dublin 2",   "1200-109 Lisboa"};
constexpr Text client_notes_table[] = {"Invoice monthly, 30 days net",
                                       "Rechnung an die Buchhaltung, nicht an den Einkauf",
                                       "PO number required on every invoice",
                                       "Rahmenvertrag bis Ende des Jahres",
                                       "Contact: see CRM",
                                       "Two contracts:\nsupport and projects",
                                       "Nota fiscal em PDF"};

constexpr Text project_themes_table[] = {"Webshop Relaunch",
                                         "Modernization Phase 2",
                                         "Mobile App",
                                         "Support Retainer",
                                         "Data Warehouse",
                                         "Modernization Academy",
                                         "SAP Integration",
                                         "Website",
                                         "Rebranding",
                                         "Buchungsportal",
                                         "Modernization Phase 1",
                                         "Security Audit",
                                         "Migração para a nuvem",
                                         "CRM Einführung",
                                         "Schnittstellen",
                                         "Reporting",
                                         "Intranet",
                                         "Machine Monitoring",
                                         "Newsletter",
                                         "Kundenportal",
                                         "Modernization Core",
                                         "Workshop Series",
                                         "App Wartung",
                                         "E-Commerce",
                                         "Analytics Dashboard"};
constexpr Text internal_projects_table[] = {"Internal: Administration", "Internal: Sales & Proposals", "Internal: Training",
                                            "Internal: Recruiting"};
constexpr Text project_notes_table[] = {
    "", "", "", "Fixed price, report hours weekly", "Budget geprüft 03/2026", "T&M, cap 400 h", "Kick-off delayed"};

constexpr Text tasks_table[] = {"Consulting", "Development", "Design",  "Project Management", "Testing",
                                "Konzeption", "Deployment",  "Support", "Documentation",      "Review"};
constexpr Text tags_table[] = {"Sprint 41", "Sprint 42", "Sprint 43",   "Development", "Code Review", "Meeting",
                               "Workshop",  "Support",   "Bug",         "Design",      "Testing",     "Deployment",
                               "Remote",    "On-site",   "Überstunden", "Travel",      "On-call",     "Urgent",
                               "Angebot",   "Retainer",  "Refactoring", "Estimation",  "Sprint 39",   "Sprint 40"};
constexpr Text colors_table[] = {"#9C27B0", "#03A9F4", "#F44336", "#4CAF50", "#FF9800", "#795548",
                                 "#607D8B", "#E91E63", "#009688", "#3F51B5", "#8BC34A", "#5C6BC0"};

constexpr Text verbs_table[] = {"Implement", "Fix",      "Review",        "Discuss",  "Prepare",  "Test",        "Deploy",
                                "Document",  "Refactor", "Plan",          "Analyse",  "Migrate",  "Set up",      "Update",
                                "Design",    "Call:",    "Abstimmung zu", "Estimate", "Clean up", "Support with"};
constexpr Text objects_table[] = {"checkout form",
                                  "login with SSO",
                                  "nightly import",
                                  "invoice PDF",
                                  "customer search",
                                  "VAT calculation",
                                  "weekly report",
                                  "product catalogue",
                                  "\"forgot password\" mail",
                                  "Übersetzungen",
                                  "cookie banner",
                                  "delivery notes",
                                  "order export",
                                  "API error handling",
                                  "dashboard charts",
                                  "database indexes",
                                  "staging server",
                                  "release notes",
                                  "acceptance criteria",
                                  "Schnittstelle zum ERP",
                                  "user roles",
                                  "image upload",
                                  "relatório mensal",
                                  "price list",
                                  "backup & restore",
                                  "mobile navigation",
                                  "accessibility issues",
                                  "onboarding checklist",
                                  "test data",
                                  "C:\\Export path",
                                  "newsletter sign-up",
                                  "stock levels",
                                  "payment provider",
                                  "audit log",
                                  "GDPR deletion",
                                  "map view",
                                  "calendar sync",
                                  "contract draft",
                                  "performance of lists",
                                  "Druckvorlagen"};

constexpr Text time_zones_table[] = {"Europe/Berlin", "Europe/Berlin", "Europe/Berlin", "Europe/Berlin",     "Europe/Vienna",
                                     "Europe/Lisbon", "Europe/Warsaw", "Europe/Dublin", "America/Sao_Paulo", "Asia/Kolkata"};

} // namespace

const std::span<const Text> first_names = first_names_table, last_names = last_names_table, client_stems = client_stems_table,
                            client_kinds = client_kinds_table, streets = streets_table, cities = cities_table,
                            client_notes = client_notes_table, project_themes = project_themes_table,
                            internal_projects = internal_projects_table, project_notes = project_notes_table, tasks = tasks_table,
                            tags = tags_table, colors = colors_table, verbs = verbs_table, objects = objects_table,
                            time_zones = time_zones_table;

} // namespace millrace::sandbox::names
